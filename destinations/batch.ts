import { toEmailMetadata } from '../model/utility-payload.ts';
import { cutOf, inHalves } from './batch-id.ts';
import { HttpClient, type HttpSettings } from './http.ts';
import { inBatches } from './in-batches.ts';
import { textBody } from './json-body.ts';
import { mapAhead } from './map-ahead.ts';
import { rejectionsIn } from './rejections.ts';
import type { BatchLog, Cut, Item, Outcome, RefusalCause, Sender } from './sender.ts';
import { answersAtAll, askHealth, verdictOf, verdictOnFault, type Verdict } from './verdict.ts';

export interface BatchSettings extends HttpSettings {
  /** Messages of one batch. Default 100. */
  readonly batchItems?: number | undefined;
  /** How long the first message of a batch waits for others. Default 2,000. */
  readonly batchWaitMs?: number | undefined;
  /** Bytes of one batch, unless one message alone is more. Default 4 MiB. */
  readonly batchBytes?: number | undefined;
}

const BATCH_ITEMS = 100;
const BATCH_WAIT_MS = 2000;
const BATCH_BYTES = 4 * 1024 * 1024;

/** What a single message of a batch may be to blame for. */
const HALVED: ReadonlySet<RefusalCause> = new Set(['too_large', 'server_error']);
/** Answers of those who stand between, and have heard nothing from the receiver. */
const GATEWAYS: ReadonlySet<number | undefined> = new Set([502, 504, 520, 521, 522, 523, 524]);
const NO_LOG: BatchLog = { cut: () => Promise.resolve(), sending: () => undefined, refused: () => undefined };

interface Entry {
  readonly item: Item;
  /** The message's metadata as JSON. */
  readonly json: string;
}

interface Batch {
  readonly id: string;
  readonly entries: readonly Entry[];
  /** By an earlier sending. */
  readonly mayBeTaken: boolean;
}

/**
 * A batch receiver: `POST {endpoint}/batch-metadata` with `{batch_id, emails}`, one batch at a time, in order; an ordered
 * kind. Of the messages in an accepted batch, those that the answer names as refused (`rejections.ts`) are refused for
 * good. A batch that is too large for the receiver (413), or at which it fails (5xx), is sent in halves, down to the message
 * that is to blame; at a 5xx only one that the receiver cannot have taken, for it would know nothing of the halves. No
 * answer, and one of a gateway (`GATEWAYS`), says that it may have taken it; any other refusal that it has not.
 * `batch_id`, which is also the idempotency key, follows from the messages that a batch was cut of (`batch-id.ts`). How it
 * is cut is told to whoever keeps that, and awaited, before it is sent; of the next batch while one is being sent.
 */
export function openBatchReceiver(settings: BatchSettings): Sender {
  const { batchItems = BATCH_ITEMS, batchWaitMs = BATCH_WAIT_MS, batchBytes = BATCH_BYTES } = settings;
  const client = new HttpClient(settings, 1);
  const wholeOf = ({ item }: Entry): Item['batch'] => item.batch;
  const bounds = { count: batchItems, bytes: batchBytes, waitMs: batchWaitMs, sizeOf, wholeOf };

  /** Whether the next batch may be sent: not before what is to be tried again. */
  async function* sendBatch(batch: Batch, signal: AbortSignal, log: BatchLog): AsyncGenerator<Outcome, boolean> {
    const { entries, mayBeTaken } = batch;
    log.sending(batch.id);
    const { verdict, json } = await post(client, batch, signal);
    if (verdict.status === 'refused') {
      if (isAnswered(verdict) && !mayBeTaken) log.refused(batch.id);
      if (!isHalved(batch, verdict)) {
        for (const { item } of entries) yield { deliveryNo: item.deliveryNo, ...verdict };
        return !verdict.retry;
      }
      const halves = inHalves(entries).map((half) => ({ entries: half, cut: cutOfEntries(half), mayBeTaken: false }));
      const cuts = halves.map(({ cut }) => cut);
      await log.cut(cuts, batch.id);
      for (const { cut, ...half } of halves)
        if (!(yield* sendBatch({ id: cut.id, ...half }, signal, log))) return false;
      return true;
    }
    const rejections = rejectionsIn(json);
    for (const { item } of entries) {
      const { deliveryNo, message } = item;
      const error = rejections.get(message.email.id);
      if (error === undefined) yield { deliveryNo, ...verdict };
      else yield { deliveryNo, status: 'refused', cause: 'rejected', error, retry: false };
    }
    return true;
  }

  async function* send(items: AsyncIterable<Item>, signal: AbortSignal, log = NO_LOG): AsyncGenerator<Outcome> {
    const batches = mapAhead(inBatches(toEntries(items), bounds), (entries) => toBatch(entries, log));
    for await (const batch of batches) {
      if (!(yield* sendBatch(batch, signal, log))) return;
    }
  }

  return {
    send,
    health: (signal) => askHealth(client, signal),
    answers: (signal) => answersAtAll(client, signal),
    close: () => client.close(),
  };
}

async function* toEntries(items: AsyncIterable<Item>): AsyncGenerator<Entry> {
  for await (const item of items) yield { item, json: JSON.stringify(toEmailMetadata(item.message)) };
}

const sizeOf = ({ json }: Entry): number => json.length;

/** As it was cut before, or else from now on. */
async function toBatch(entries: readonly Entry[], log: BatchLog): Promise<Batch> {
  const before = entries[0]?.item.batch;
  if (before) return { id: before.id, mayBeTaken: before.mayBeTaken, entries };
  const cut = cutOfEntries(entries);
  await log.cut([cut]);
  return { id: cut.id, mayBeTaken: false, entries };
}

const cutOfEntries = (entries: readonly Entry[]): Cut => cutOf(entries.map(({ item }) => item));

type Refused = Extract<Verdict, { status: 'refused' }>;

/** Whether the receiver itself has answered; a fault of TLS may come when it has read everything. */
const isAnswered = ({ httpStatus }: Refused): boolean => httpStatus !== undefined && !GATEWAYS.has(httpStatus);

function isHalved({ entries, mayBeTaken }: Batch, refused: Refused): boolean {
  if (entries.length < 2 || !HALVED.has(refused.cause)) return false;
  return refused.cause === 'too_large' || (isAnswered(refused) && !mayBeTaken);
}

async function post(
  client: HttpClient,
  { id, entries }: Batch,
  signal: AbortSignal,
): Promise<{ verdict: Verdict; json: unknown }> {
  const body = textBody(`{"batch_id":"${id}","emails":[${entries.map(({ json }) => json).join(',')}]}`);
  try {
    const answer = await client.post('/batch-metadata', id, body, signal);
    return { verdict: verdictOf(answer), json: answer.json };
  } catch (error) {
    return { verdict: verdictOnFault(error), json: undefined };
  }
}
