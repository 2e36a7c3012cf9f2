import { createHash } from 'node:crypto';
import { toEmailMetadata } from '../model/utility-payload.ts';
import { HttpClient, type HttpSettings } from './http.ts';
import { inBatches } from './in-batches.ts';
import { textBody } from './json-body.ts';
import { rejectionsIn } from './rejections.ts';
import type { Item, Outcome, RefusalCause, Sender } from './sender.ts';
import { askHealth, verdictOf, verdictOnFault, type Verdict } from './verdict.ts';

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

interface Entry {
  readonly item: Item;
  /** The message's metadata as JSON. */
  readonly json: string;
}

/**
 * A batch receiver: `POST {endpoint}/batch-metadata` with `{batch_id, emails}`, one batch at a time, in order; an ordered
 * kind. Of the messages in an accepted batch, those that the answer names as refused (`rejections.ts`) are refused for
 * good. A batch that is too large for the receiver (413), or at which it fails (5xx), is sent in halves, down to the message
 * that is to blame. `batch_id`, which is also the idempotency key, follows from the messages in the batch: the same
 * messages, sent again, have the same.
 */
export function openBatchReceiver(settings: BatchSettings): Sender {
  const { batchItems = BATCH_ITEMS, batchWaitMs = BATCH_WAIT_MS, batchBytes = BATCH_BYTES } = settings;
  const client = new HttpClient(settings, 1);
  const bounds = { count: batchItems, bytes: batchBytes, waitMs: batchWaitMs, sizeOf };

  /** Whether the next batch may be sent: not before what is to be tried again. */
  async function* sendBatch(batch: readonly Entry[], signal: AbortSignal): AsyncGenerator<Outcome, boolean> {
    const { verdict, json } = await post(client, batch, signal);
    if (verdict.status === 'refused') {
      if (!HALVED.has(verdict.cause) || batch.length === 1) {
        for (const { item } of batch) yield { deliveryNo: item.deliveryNo, ...verdict };
        return !verdict.retry;
      }
      const middle = Math.ceil(batch.length / 2);
      return (yield* sendBatch(batch.slice(0, middle), signal)) && (yield* sendBatch(batch.slice(middle), signal));
    }
    const rejections = rejectionsIn(json);
    for (const { item } of batch) {
      const { deliveryNo, message } = item;
      const error = rejections.get(message.email.id);
      if (error === undefined) yield { deliveryNo, ...verdict };
      else yield { deliveryNo, status: 'refused', cause: 'rejected', error, retry: false };
    }
    return true;
  }

  async function* send(items: AsyncIterable<Item>, signal: AbortSignal): AsyncGenerator<Outcome> {
    for await (const batch of inBatches(toEntries(items), bounds)) {
      if (!(yield* sendBatch(batch, signal))) return;
    }
  }

  return { send, health: (signal) => askHealth(client, signal), close: () => client.close() };
}

async function* toEntries(items: AsyncIterable<Item>): AsyncGenerator<Entry> {
  for await (const item of items) yield { item, json: JSON.stringify(toEmailMetadata(item.message)) };
}

const sizeOf = ({ json }: Entry): number => json.length;

async function post(
  client: HttpClient,
  batch: readonly Entry[],
  signal: AbortSignal,
): Promise<{ verdict: Verdict; json: unknown }> {
  const id = batchId(batch);
  const body = textBody(`{"batch_id":"${id}","emails":[${batch.map(({ json }) => json).join(',')}]}`);
  try {
    const answer = await client.post('/batch-metadata', id, body, signal);
    return { verdict: verdictOf(answer), json: answer.json };
  } catch (error) {
    return { verdict: verdictOnFault(error), json: undefined };
  }
}

function batchId(batch: readonly Entry[]): string {
  const hash = createHash('sha256');
  for (const { item } of batch) hash.update(`${item.idempotencyKey}\n`);
  return hash.digest('hex').slice(0, 32);
}
