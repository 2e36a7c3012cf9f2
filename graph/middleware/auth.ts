import type { Step } from '../call.ts';
import { GraphError } from '../errors.ts';
import type { TokenSource } from '../tokens.ts';

/** A token older than this may have been issued before an administrator consented to more. */
const CONSENT_AGE_MS = 2 * 60_000;

/**
 * Puts the app's token on each attempt. A token that Graph refuses is renewed once, whatever its age; a second refusal
 * is final. A token holds what was consented to when it was issued, so that one that is not enough is renewed once it
 * is some minutes old. The Graph client's own authentication step sends no token over plain http, where the simulator
 * listens.
 */
export function auth(tokens: TokenSource): Step {
  return async (call, next) => {
    const token = await tokens.token(call.signal);
    try {
      return await next(withToken(token));
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      if (error.status === 401) return await next(withToken(await tokens.renew(token, call.signal)));
      if (error.kind !== 'mailbox_denied' && error.kind !== 'permission_missing') throw error;
      const newer = await tokens.newerThan(token, CONSENT_AGE_MS, call.signal);
      if (newer === token) throw error;
      return await next(withToken(newer));
    }

    function withToken(value: string): typeof call {
      return { ...call, headers: { ...call.headers, authorization: `Bearer ${value}` } };
    }
  };
}
