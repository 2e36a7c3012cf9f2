import { STATUS_CODES } from 'node:http';
import { type Dispatcher, request } from 'undici';
import { faults } from '../msgraph/fault.ts';

const LARGEST_ANSWER = 4_096;

/**
 * Asks an endpoint to prove that it wants notifications: it has to answer 200 and the token, decoded, as plain text.
 * Source: https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
 *
 * @throws GraphFault 400 with Graph's words for what was wrong.
 */
export async function validateEndpoint(
  url: string,
  options: { dispatcher: Dispatcher; timeoutMs: number; requestId: string },
): Promise<void> {
  const token = `Validation: Testing client application reachability for subscription Request-Id: ${options.requestId}`;
  const signal = AbortSignal.timeout(options.timeoutMs);
  const answer = await ask(`${url}${url.includes('?') ? '&' : '?'}${encoded(token)}`, options.dispatcher, signal);
  if (answer.status !== 200) throw faults.validationStatus(statusName(answer.status));
  if (answer.text !== token || !/^text\/plain\b/i.test(answer.type)) throw faults.validationMismatch();
}

async function ask(
  url: string,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<{ status: number; type: string; text: string }> {
  try {
    const { statusCode, headers, body } = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8', 'content-length': '0' },
      dispatcher,
      signal,
    });
    let text = '';
    for await (const part of body) {
      text += String(part);
      if (text.length > LARGEST_ANSWER) break;
    }
    return { status: statusCode, type: String(headers['content-type'] ?? ''), text };
  } catch {
    throw signal.aborted ? faults.validationTimeout() : faults.validationUnanswered();
  }
}

/** As .NET encodes a query: spaces as plus signs, escapes in lower case. */
function encoded(token: string): string {
  const query = new URLSearchParams({ validationToken: token }).toString();
  return query.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase());
}

/** `Forbidden`, `NotFound`, … as .NET names them. */
function statusName(status: number): string {
  return STATUS_CODES[status]?.replaceAll(/[^A-Za-z]/g, '') ?? String(status);
}
