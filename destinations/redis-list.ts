import { createHash } from 'node:crypto';
import { toQueueItem } from '../model/queue-item.ts';
import { inBatches } from './in-batches.ts';
import { mapAhead } from './map-ahead.ts';
import { ContentPlace, JsonBody } from './json-body.ts';
import { RedisConnection, type RedisSettings } from './redis-connection.ts';
import { RedisQueue, type QueueSettings } from './redis-queue.ts';
import { contentRefusal, ContentError, DestinationUnavailable } from './sender.ts';
import type { Health, Item, Outcome, Refusal, Sender } from './sender.ts';

export interface RedisListSettings extends RedisSettings, QueueSettings {
  /** Items of one push. Default 250. */
  readonly batchItems?: number | undefined;
  /** Bytes of one push, unless one item alone is more. Default 4 MiB. */
  readonly batchBytes?: number | undefined;
  /** The largest attachment, which stands in memory as base64. Default 128 MiB; Redis itself takes 512 MB an item. */
  readonly maxAttachmentBytes?: number | undefined;
}

const MEBIBYTE = 1024 * 1024;
const BATCH_ITEMS = 250;
const BATCH_BYTES = 4 * MEBIBYTE;
const MAX_ATTACHMENT_BYTES = 128 * MEBIBYTE;
/** Long enough to gather what is there already, short enough to be no delay. */
const GATHER_MS = 5;

/** An item as it goes into the list, or why it does not. */
type Built = { readonly deliveryNo: number; readonly json: Buffer } | { readonly refused: Refusal };

/**
 * A Redis list that consumers take from with `RPOP`, oldest first; an ordered kind. Each attachment is one item
 * (`model/queue-item.ts`), pushed on the left in batches, each by one command, which Redis does wholly or not at all.
 *
 * When no answer comes to a push, Redis may have done it. Then nothing more is pushed and its items stay owed, so that
 * they are pushed again before anything newer: a consumer may see them twice, and never sees one out of its first turn.
 */
export class RedisList implements Sender {
  /** What operators ask and do, over the same connection. */
  readonly queue: RedisQueue;
  readonly #settings: RedisListSettings;
  readonly #redis: RedisConnection;

  constructor(settings: RedisListSettings) {
    this.#settings = settings;
    this.#redis = new RedisConnection(settings);
    this.queue = new RedisQueue(this.#redis, settings);
  }

  async *send(items: AsyncIterable<Item>, signal: AbortSignal): AsyncGenerator<Outcome> {
    const { batchItems = BATCH_ITEMS, batchBytes = BATCH_BYTES } = this.#settings;
    const { maxAttachmentBytes = MAX_ATTACHMENT_BYTES } = this.#settings;
    const bounds = { count: batchItems, bytes: batchBytes, waitMs: GATHER_MS, sizeOf };
    const building = mapAhead(inBatches(items, bounds), (batch) =>
      Promise.all(batch.map((item) => build(item, maxAttachmentBytes, signal))),
    );
    for await (const built of building) {
      const stop = built.findIndex((one) => 'refused' in one && one.refused.retry);
      const before = stop === -1 ? built : built.slice(0, stop);
      for (const one of before) if ('refused' in one) yield one.refused;
      for (let rest = before.filter((one) => ('json' in one)); rest.length > 0;) {
        const pushed = rest.slice(0, await this.#room(signal));
        await this.#push(pushed, signal);
        for (const { deliveryNo } of pushed) yield { deliveryNo, status: 'accepted' };
        rest = rest.slice(pushed.length);
      }
      const again = built[stop];
      if (again && 'refused' in again) {
        yield again.refused;
        return;
      }
    }
  }

  health(signal: AbortSignal): Promise<Health> {
    return this.queue.health(signal);
  }

  async close(): Promise<void> {
    this.#redis.close();
  }

  /** How many items the list takes now. @throws {DestinationUnavailable} `full` */
  async #room(signal: AbortSignal): Promise<number> {
    const { length, maxLength } = await this.queue.status(signal);
    if (length < maxLength) return maxLength - length;
    throw new DestinationUnavailable('full', `The list holds ${length} items, its limit is ${maxLength}`);
  }

  async #push(batch: readonly { readonly json: Buffer }[], signal: AbortSignal): Promise<void> {
    const bytes = batch.reduce((sum, { json }) => sum + json.length, 0);
    const oldestFirst = batch.map(({ json }) => json);
    const moreMs = Math.floor(bytes / MEBIBYTE) * 1000;
    await this.#redis.ask((client) => client.lPush(this.#settings.queue, oldestFirst), signal, moreMs);
  }
}

/** About as long as its text will be. */
const sizeOf = ({ message, attachments }: Item): number =>
  (message.email.body_content?.length ?? 0) + Math.ceil((attachments[0]?.bytes ?? 0) / 3) * 4;

async function build(item: Item, maxBytes: number, signal: AbortSignal): Promise<Built> {
  const { deliveryNo, message } = item;
  const [attachment] = item.attachments;
  if (attachment === undefined) throw new TypeError('An item for a Redis list has one attachment');
  const { metadata, bytes } = attachment;
  if (bytes > maxBytes) {
    const error = `The attachment has ${bytes} bytes, a Redis item takes ${maxBytes}`;
    return { refused: { deliveryNo, status: 'refused', cause: 'too_large', error, retry: false } };
  }
  const createdAt = new Date().toISOString();
  const content = new ContentPlace(attachment);
  const payload = toQueueItem({ taskId: taskId(item), message, attachment: metadata, content, bytes, createdAt });
  try {
    return { deliveryNo, json: await new JsonBody(payload, [content]).toBuffer(signal) };
  } catch (error) {
    if (!(error instanceof ContentError)) throw error;
    return { refused: contentRefusal(item, error) };
  }
}

/** Three words in the form that consumers know; the same for the same delivery. */
function taskId({ idempotencyKey }: Item): string {
  const hash = createHash('sha256').update(idempotencyKey).digest('hex');
  return [hash.slice(0, 12), hash.slice(12, 24), hash.slice(24, 36)].join('_');
}
