import type { GraphMessage } from '../model/mail.ts';
import { exchangeError, GraphError, mayBeContent } from './errors.ts';
import { graphErrorFrom, type GraphTarget } from './refusal.ts';
import type { MailboxClient } from './mailbox.ts';
import { IMMUTABLE_IDS, messageOf } from './messages.ts';
import { pauseBefore } from './middleware/throttling.ts';
import { segment, withQuery } from './paths.ts';
import { wait } from './waiting.ts';

const MAX_RETRIES = 4;

/** What became of a message that was asked for by id. */
export type FoundMessage = GraphMessage | 'missing' | GraphError;

/**
 * Messages by id, in batches. A message that cannot be read does not hold up the others: its error stands in its place.
 * @throws GraphError where the batch itself fails, or where the mailbox stays throttled or busy
 */
export const readMessagesById = (
  mailbox: MailboxClient,
  ids: readonly string[],
  select: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, FoundMessage>> =>
  inBatches(mailbox, ids, (some) => readBatch(mailbox, some, select, signal), signal);

/**
 * Marks messages as read, in batches; the answers are the messages as they are then.
 * https://learn.microsoft.com/graph/api/message-update
 * @throws GraphError as `readMessagesById` does
 */
export const markMessagesRead = (
  mailbox: MailboxClient,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, FoundMessage>> => inBatches(mailbox, ids, (some) => markBatch(mailbox, some, signal), signal);

/**
 * Each inner request is throttled by itself, while the batch as a whole succeeds: those are asked again after the longest
 * of their waits.
 */
async function inBatches(
  mailbox: MailboxClient,
  ids: readonly string[],
  ask: (ids: readonly string[]) => Promise<Map<string, FoundMessage>>,
  signal: AbortSignal,
): Promise<Map<string, FoundMessage>> {
  const found = new Map<string, FoundMessage>();
  for (const some of stretches(mailbox, [...new Set(ids)])) {
    let left: readonly string[] = some;
    for (let retry = 1; left.length > 0; retry += 1) {
      const answers = await ask(left);
      for (const [id, answer] of answers) found.set(id, answer);
      const failures = [...answers].flatMap(([id, answer]) =>
        answer instanceof GraphError && answer.retryable ? [{ id, error: answer }] : [],
      );
      const again = failures.filter(({ error }) => retry <= MAX_RETRIES || !mayBeContent(error));
      left = again.map(({ id }) => id);
      if (left.length > 0) {
        await waitOrFail(
          again.map(({ error }) => error),
          retry,
          signal,
        );
      }
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
  const requests = ids.map((id) => ({
    path: withQuery(`/messages/${segment(id)}`, query),
    headers: { Prefer: IMMUTABLE_IDS },
  }));
  try {
    const answers = await sendBatch(mailbox, requests, 'message', signal);
    return new Map(ids.map((id, index) => [id, understood(answers[index])]));
  } catch (error) {
    if (!(error instanceof GraphError) || error.kind !== 'body_too_large') throw error;
    if (ids.length === 1) return new Map(ids.map((id) => [id, error]));
    const half = Math.ceil(ids.length / 2);
    const first = await readBatch(mailbox, ids.slice(0, half), select, signal);
    return new Map([...first, ...(await readBatch(mailbox, ids.slice(half), select, signal))]);
  }
}

async function markBatch(
  mailbox: MailboxClient,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, FoundMessage>> {
  const requests = ids.map((id) => ({
    path: `/messages/${segment(id)}`,
    method: 'PATCH' as const,
    headers: { Prefer: IMMUTABLE_IDS, 'Content-Type': 'application/json' },
    body: { isRead: true },
  }));
  const answers = await sendBatch(mailbox, requests, 'message', signal);
  return new Map(ids.map((id, index) => [id, understood(answers[index])]));
}

/** A request of a batch, below the mailbox. */
export interface InnerRequest {
  readonly path: string;
  /** Default: GET. */
  readonly method?: 'GET' | 'PATCH';
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: object;
}

/** The answer to one request of a batch. */
export interface InnerAnswer {
  readonly id: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/**
 * What is asked for, in parts that fit into one batch. Graph takes 20 requests in one, but runs up to four of a mailbox's
 * at a time, which would leave no room for a probe from elsewhere; so a batch has as many as may be under way.
 * https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits
 */
export function* stretches<T>(mailbox: Pick<MailboxClient, 'slots'>, all: readonly T[]): Generator<T[]> {
  for (let at = 0; at < all.length;) {
    const some = all.slice(at, at + mailbox.slots);
    yield some;
    at += some.length;
  }
}

/**
 * Sends one batch, which takes as many of the mailbox's slots as it has requests. The answers are in the order of the
 * requests, whatever order Graph gives them in; one that Graph left out is undefined.
 */
export async function sendBatch(
  mailbox: MailboxClient,
  requests: readonly InnerRequest[],
  target: GraphTarget,
  signal: AbortSignal,
): Promise<(InnerAnswer | undefined)[]> {
  const inner = requests.map(({ path, ...request }, index) => ({
    id: String(index),
    method: 'GET',
    url: mailbox.path + path,
    ...request,
  }));
  const answer = await mailbox.send({
    kind: 'batch',
    target,
    batch: { requests: inner },
    slots: requests.length,
    signal,
    throttledBy: ({ content }) => longestThrottling([...innerAnswers(content).values()], target),
  });
  const answers = innerAnswers(answer.content);
  return inner.map(({ id }) => answers.get(id));
}

/** The answers of a batch by the ids of its requests. */
export function innerAnswers(content: unknown): Map<string, InnerAnswer> {
  const { responses } = Object(content) as { responses?: unknown };
  return new Map((Array.isArray(responses) ? (responses as InnerAnswer[]) : []).map((one) => [one.id, one]));
}

function longestThrottling(answers: readonly InnerAnswer[], target: GraphTarget): GraphError | undefined {
  const throttled = answers.filter(({ status }) => status === 429).map((answer) => errorOf(answer, target));
  return throttled.sort((a, b) => (b.retryAfterMs ?? 0) - (a.retryAfterMs ?? 0))[0];
}

/** What an inner answer that is no success means. */
export function errorOf({ status, headers = {}, body }: InnerAnswer, target: GraphTarget): GraphError {
  const lowered = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return graphErrorFrom({ status, headers: lowered, body, target });
}

function understood(answer: InnerAnswer | undefined): FoundMessage {
  if (answer === undefined) return exchangeError('Truncated', 'A batch came back without one of its answers');
  try {
    if (answer.status === 200) return messageOf(Object(answer.body) as Record<string, unknown>);
  } catch (error) {
    return error as GraphError;
  }
  const error = errorOf(answer, 'message');
  return error.kind === 'item_missing' ? 'missing' : error;
}
