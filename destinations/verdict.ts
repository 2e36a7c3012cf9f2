import { storableText } from '../model/text.ts';
import { HttpFault, type HttpAnswer, type HttpClient } from './http.ts';
import { DestinationUnavailable, type Health, type RefusalCause } from './sender.ts';

/** What an HTTP answer, or its absence, says of what was sent. */
export type Verdict =
  | { readonly status: 'accepted'; readonly note?: string }
  | {
      readonly status: 'refused';
      readonly cause: RefusalCause;
      readonly error: string;
      readonly httpStatus?: number;
      readonly retry: boolean;
      readonly retryAfterMs?: number;
    };

/** The 4xx that say "not now": request time-out, too early, too many requests. */
const LATER: ReadonlySet<number> = new Set([408, 425, 429]);
const NOTE_CHARACTERS = 500;

/**
 * - 2xx: accepted, with a note where the body says `"status": "error"`, or was not read to its end. Other
 *   words, as `OK`, are no complaint
 * - 5xx: again later. So are 408, 425 and 429, whose meaning is that; `Retry-After` is handed on
 * - other 4xx: refused for good. That includes 413: the same body will be as large the next time
 * - 3xx: refused for good, since redirects are not followed
 */
export function verdictOf({ status, json, flaw, retryAfterMs }: HttpAnswer): Verdict {
  if (status >= 200 && status < 300) {
    const note = complaintIn(json) ?? flaw;
    return note === undefined ? { status: 'accepted' } : { status: 'accepted', note };
  }
  const refused = { status: 'refused', httpStatus: status } as const;
  const later = { ...refused, retry: true, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  const error = `It answered ${status}`;
  if (status >= 500) return { ...later, cause: 'server_error', error };
  if (LATER.has(status)) return { ...later, cause: 'throttled', error };
  if (status === 413) return { ...refused, cause: 'too_large', error: `${error}: too large`, retry: false };
  if (status >= 400) return { ...refused, cause: 'rejected', error, retry: false };
  return { ...refused, cause: 'redirect', error: `${error}: redirects are not followed`, retry: false };
}

/** What is thrown for want of an answer, as a verdict; anything else is thrown on. */
export function verdictOnFault(error: unknown): Verdict {
  if (!(error instanceof HttpFault)) throw error;
  return { status: 'refused', cause: error.refusal, error: error.message, retry: true };
}

/** The receiver's words where a body says `"status": "error"`. */
function complaintIn(json: unknown): string | undefined {
  if (typeof json !== 'object' || json === null || !('status' in json) || json.status !== 'error') return undefined;
  const words = 'message' in json && typeof json.message === 'string' ? json.message : '';
  return boundedText(words) || 'It answered with the status "error"';
}

/** A receiver's words, short enough and fit to be kept. */
export const boundedText = (text: string): string => storableText(text.slice(0, NOTE_CHARACTERS)).trim();

const SICK: ReadonlySet<unknown> = new Set(['unhealthy', 'error', 'down', 'fail']);

/** Asks `GET {endpoint}/health`: healthy is a 2xx whose body does not say otherwise in `status`. */
export async function askHealth(client: HttpClient, signal: AbortSignal): Promise<Health> {
  const started = performance.now();
  const answer = await healthAnswer(client, signal);
  const latencyMs = Math.round(performance.now() - started);
  if (answer instanceof Error) return { healthy: false, latencyMs, detail: answer.message };
  const { status, json } = answer;
  const said = typeof json === 'object' && json !== null && 'status' in json ? json.status : undefined;
  const healthy = status >= 200 && status < 300 && !SICK.has(said);
  const words = typeof said === 'string' ? ` and says ${JSON.stringify(boundedText(said).slice(0, 40))}` : '';
  return { healthy, latencyMs, detail: `It answers ${status}${words}` };
}

/** Whether anything at all answers there, well or not. */
export const answersAtAll = async (client: HttpClient, signal: AbortSignal): Promise<boolean> =>
  !((await healthAnswer(client, signal)) instanceof Error);

/** What comes of `GET {endpoint}/health`, or why nothing does. */
async function healthAnswer(
  client: HttpClient,
  signal: AbortSignal,
): Promise<HttpAnswer | HttpFault | DestinationUnavailable> {
  try {
    return await client.get('/health', signal);
  } catch (error) {
    if (error instanceof HttpFault || error instanceof DestinationUnavailable) return error;
    throw error;
  }
}
