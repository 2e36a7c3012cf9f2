import { pause } from '../embedded/pause.ts';

/** An answer of the API. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface ChaosApi {
  /** Asks once. Throws where no answer comes in time. */
  ask(method: 'GET' | 'POST', path: string, body?: object): Promise<Answer>;
  /** Asks until there is an answer that does not say that something is away; what is asked must be idempotent. */
  insist(method: 'GET' | 'POST', path: string, body?: object): Promise<Answer>;
}

const DEADLINE_MS = 60_000;
const AGAIN_MS = 250;

/** The API as a client sees it that does not give up. The key may change while it is used, as may the port. */
export function chaosApi(where: () => { url: string; key: string }, signal: AbortSignal): ChaosApi {
  const ask = async (method: string, path: string, body?: object): Promise<Answer> => {
    const { url, key } = where();
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    });
    return { status: response.status, body: (await response.json()) as Answer['body'] };
  };
  return {
    ask,
    async insist(method, path, body) {
      for (;;) {
        const answer = await ask(method, path, body).catch(() => signal.throwIfAborted());
        if (answer && answer.status < 500) return answer;
        await pause(AGAIN_MS, signal);
      }
    },
  };
}
