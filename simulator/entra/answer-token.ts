import type { Answer } from '../msgraph/answer.ts';
import { type Refusals, strikeExchange } from '../faults/exchange.ts';
import type { Faults } from '../faults/faults.ts';
import { statusFault } from '../faults/words.ts';
import { entraAnswer } from './entra-fault.ts';
import type { Entra } from './entra.ts';

/** Answers a request for a token, unless a fault has other plans. */
export async function answerToken(
  services: { entra: Entra; faults: Faults },
  tenant: string,
  form: URLSearchParams,
): Promise<Answer> {
  const { entra } = services;
  const faults = services.faults.ofToken();
  if (!faults) return entra.token(tenant, form);
  return strikeExchange(faults, {
    inBatch: false,
    refusals: refusalsOf(entra, tenant, form),
    answer: () => entra.token(tenant, form),
  });
}

/** A status alone is what the login service says when it has trouble of its own. */
function refusalsOf(entra: Entra, tenant: string, form: URLSearchParams): Refusals {
  const asStatus: Refusals['status'] = (effect) => {
    const { headers } = statusFault(effect);
    const error = effect.status >= 500 || effect.status === 429 ? 'temporarily_unavailable' : 'invalid_request';
    const body = { error, error_description: effect.message ?? '', error_codes: [] };
    const answer = entraAnswer(effect.status, body);
    return { ...answer, headers: { ...answer.headers, ...headers } };
  };
  return {
    status: asStatus,
    entra: ({ number }) => entra.refusal(number, tenant, form),
    mailbox: () => entra.token(tenant, form),
    revokeTokens: () => {
      entra.revokeTokens();
      return entra.token(tenant, form);
    },
  };
}
