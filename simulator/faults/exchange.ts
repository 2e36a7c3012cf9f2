import { setTimeout as delay } from 'node:timers/promises';
import { firstBytes, isHeld, type LazyContent } from '../mail/content.ts';
import type { Answer, Delivery } from '../msgraph/answer.ts';
import type { EntraEffect, MailboxEffect, StatusEffect, TruncateEffect } from './fault-rule.ts';
import type { RequestFaults } from './request-faults.ts';

/** How a service says no: Graph and Entra have words of their own. */
export interface Refusals {
  status(effect: StatusEffect): Answer;
  mailbox(effect: MailboxEffect): Answer;
  entra(effect: EntraEffect): Answer;
  revokeTokens(): Answer;
}

const NOTHING: Answer = { status: 0, headers: {}, body: [] };
const HTML =
  '<html><head><title>Error</title></head><body><h2>Our services are not available right now</h2></body></html>';

/**
 * Answers a request that faults concern: late, with a refusal, or with the real answer, cut or to be delivered in an
 * odd way.
 */
export async function strikeExchange(
  faults: RequestFaults,
  options: { inBatch: boolean; refusals: Refusals; answer: () => Answer | Promise<Answer> },
): Promise<Answer> {
  const { inBatch, refusals } = options;
  for (const effect of faults.exchange(inBatch)) {
    switch (effect.type) {
      case 'delay':
        await delay(effect.milliseconds);
        continue;
      case 'status':
        return withBody(effect, refusals.status(effect));
      case 'mailbox':
        return refusals.mailbox(effect);
      case 'entra':
        return refusals.entra(effect);
      case 'revokeTokens':
        return refusals.revokeTokens();
      case 'silence':
        return { ...NOTHING, delivery: { type: 'silence' } };
      case 'truncate':
        return truncated(await options.answer(), effect);
      case 'trickle':
        return delivered(await options.answer(), {
          type: 'trickle',
          bytes: effect.bytes ?? 1024,
          every: effect.every ?? 100,
        });
      case 'reset':
        if (effect.moment === 'before') return { ...NOTHING, delivery: { type: 'reset', moment: 'before' } };
        return delivered(await options.answer(), { type: 'reset', moment: effect.moment });
    }
  }
  return options.answer();
}

/** Front ends know no JSON. */
function withBody({ body = 'json' }: StatusEffect, answer: Answer): Answer {
  if (body === 'json') return answer;
  const { 'content-type': _type, ...headers } = answer.headers;
  if (body === 'empty') return { ...answer, headers, body: [] };
  return { ...answer, headers: { ...headers, 'content-type': 'text/html' }, body: [Buffer.from(HTML)] };
}

function delivered(answer: Answer, delivery: Delivery): Answer {
  return { ...answer, delivery };
}

function truncated(answer: Answer, { keep = 0.5, error, of = 'json' }: TruncateEffect): Answer {
  if (of === 'json' && answer.headers['content-type']?.startsWith('application/json') !== true) return answer;
  if (error) {
    const failure = JSON.stringify({ error: { code: error.code, message: error.message ?? '' } });
    return { ...answer, body: [Buffer.from(`{"@odata.context":"","value":[${failure}`)] };
  }
  const { body } = answer;
  const length = Math.floor(body.reduce((sum, part) => sum + part.length, 0) * keep);
  if (body.every(isHeld)) return { ...answer, body: [Buffer.concat(body).subarray(0, length)] };
  const first: LazyContent = { length, pieces: () => firstBytes(body, length) };
  return { ...answer, body: [first] };
}
