import type { GraphMessage } from '../model/mail.ts';
import { MAILBOX_SLOTS } from './client.ts';
import { exchangeError, GraphError, graphErrorFrom } from './errors.ts';
import type { MailboxClient } from './mailbox.ts';
import { IMMUTABLE_IDS, messageOf } from './messages.ts';
import { pauseBefore } from './middleware/throttling.ts';
import { segment, withQuery } from './paths.ts';
import { wait } from './waiting.ts';

/** Most requests in one batch. https://learn.microsoft.com/graph/json-batching */
const BATCH = 20;
const MAX_RETRIES = 4;

/** What became of a message that was asked for by id. */
export type FoundMessage = GraphMessage | 'missing' | GraphError;

/**
 * Messages by id, in batches. Each inner request is throttled by itself, while the batch as a whole succeeds: those are
 * asked again after the longest of their waits. A batch takes all of the mailbox's slots, because Graph runs four of its
 * requests at a time. A message that cannot be read does not hold up the others: its error stands in its place.
 * @throws GraphError where the batch itself fails, or where some stay throttled
 */
export async function readMessagesById(
  mailbox: MailboxClient,
  ids: readonly string[],
  select: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, FoundMessage>> {
  const found = new Map<string, FoundMessage>();
  const wanted = [...new Set(ids)];
  for (let at = 0; at < wanted.length; at += BATCH) {
    let left = wanted.slice(at, at + BATCH);
    for (let retry = 1; left.length > 0; retry += 1) {
      const answers = await readBatch(mailbox, left, select, signal);
      for (const [id, answer] of answers) found.set(id, answer);
      const failed = [...answers].filter(([, answer]) => answer instanceof GraphError && answer.retryable);
      left = failed.map(([id]) => id);
      if (left.length > 0)
        await waitOrFail(
          failed.map(([, answer]) => answer as GraphError),
          retry,
          signal,
        );
    }
  }
  return found;
}

async function waitOrFail(errors: readonly GraphError[], retry: number, signal: AbortSignal): Promise<void> {
  const slowest = errors.reduce((a, b) => ((b.retryAfterMs ?? 0) > (a.retryAfterMs ?? 0) ? b : a));
  const waitMs = retry > MAX_RETRIES ? undefined : pauseBefore(retry, slowest);
  if (waitMs === undefined) throw slowest;
  await wait(waitMs, signal);
}

/** One batch. A body above the bound is asked for in halves, down to the one message that is too large. */
async function readBatch(
  mailbox: MailboxClient,
  ids: readonly string[],
  select: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, FoundMessage>> {
  const query = { $select: select.join(',') };
  const headers = { Prefer: IMMUTABLE_IDS };
  const requests = ids.map((id, index) => ({
    id: String(index),
    method: 'GET',
    url: `${mailbox.path}${withQuery(`/messages/${segment(id)}`, query)}`,
    headers,
  }));
  const target = 'message';
  try {
    const answer = await mailbox.send({ kind: 'batch', target, batch: { requests }, slots: MAILBOX_SLOTS, signal });
    return readAnswers(ids, answer.content);
  } catch (error) {
    if (!(error instanceof GraphError) || error.kind !== 'body_too_large') throw error;
    if (ids.length === 1) return new Map(ids.map((id) => [id, error]));
    const half = Math.ceil(ids.length / 2);
    const first = await readBatch(mailbox, ids.slice(0, half), select, signal);
    return new Map([...first, ...(await readBatch(mailbox, ids.slice(half), select, signal))]);
  }
}

/** The answer to one request of a batch. */
export interface InnerAnswer {
  readonly id: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The answers of a batch by the ids of their requests; they come in any order. */
export function innerAnswers(content: unknown): Map<string, InnerAnswer> {
  const { responses } = Object(content) as { responses?: unknown };
  return new Map((Array.isArray(responses) ? (responses as InnerAnswer[]) : []).map((one) => [one.id, one]));
}

/** The answers by message id. */
function readAnswers(ids: readonly string[], content: unknown): Map<string, FoundMessage> {
  const answers = innerAnswers(content);
  return new Map(ids.map((id, index) => [id, understood(answers.get(String(index)))]));
}

function understood(answer: InnerAnswer | undefined): FoundMessage {
  if (answer === undefined) return exchangeError('Truncated', 'A batch came back without one of its answers');
  const { status, body } = answer;
  try {
    if (status === 200) return messageOf(Object(body) as Record<string, unknown>);
  } catch (error) {
    return error as GraphError;
  }
  const headers = Object.fromEntries(
    Object.entries(answer.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const error = graphErrorFrom({ status, headers, body, target: 'message' });
  return error.kind === 'item_missing' ? 'missing' : error;
}
