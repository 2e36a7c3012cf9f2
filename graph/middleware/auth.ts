import type { Step } from '../call.ts';
import { GraphError } from '../errors.ts';
import type { TokenSource } from '../tokens.ts';

/**
 * Puts the app's token on each attempt. A token that Graph refuses is renewed once, whatever its age; a second refusal
 * is final. The Graph client's own authentication step sends no token over plain http, where the simulator listens.
 */
export function auth(tokens: TokenSource): Step {
  return async (call, next) => {
    const token = await tokens.token(call.signal);
    try {
      return await next(withToken(token));
    } catch (error) {
      if (!(error instanceof GraphError) || error.status !== 401) throw error;
      return await next(withToken(await tokens.renew(token, call.signal)));
    }

    function withToken(value: string): typeof call {
      return { ...call, headers: { ...call.headers, authorization: `Bearer ${value}` } };
    }
  };
}
