import { ErrorReply } from '@redis/client';
import type { RedisConnection } from './redis-connection.ts';
import { DestinationUnavailable, type Health } from './sender.ts';

export interface QueueSettings {
  /** The list's key, `EMAIL_QUEUE_NAME`. */
  readonly queue: string;
  /** The list is never made longer than this, `MAX_QUEUE_SIZE`. */
  readonly maxLength: number;
}

export interface QueueStatus extends QueueSettings {
  readonly length: number;
  readonly full: boolean;
}

export interface QueueStats extends QueueStatus {
  /** Bytes of the list, as Redis estimates; null where Redis does not allow the question. */
  readonly memoryBytes: number | null;
  /** `created_at` of the item that is next in line; null where there is none, or it is not ours. */
  readonly oldestCreatedAt: string | null;
  readonly newestCreatedAt: string | null;
  readonly redisVersion: string | null;
  readonly redisMemoryBytes: number | null;
}

/** An item as consumers would get it, with its long texts cut; what is not JSON is under `raw`. */
export type PeekedItem = Readonly<Record<string, unknown>>;

const CUT: ReadonlySet<string> = new Set(['attachment_content_b64', 'email_content']);
const CUT_TO = 100;

/**
 * A Redis list as operators see it: the calls of `/redis-queue`.
 * All of them but `health` throw {@link DestinationUnavailable}.
 */
export class RedisQueue {
  readonly #redis: RedisConnection;
  readonly #settings: QueueSettings;

  constructor(redis: RedisConnection, { queue, maxLength }: QueueSettings) {
    this.#redis = redis;
    this.#settings = { queue, maxLength };
  }

  async status(signal: AbortSignal): Promise<QueueStatus> {
    const { queue, maxLength } = this.#settings;
    const length = await this.#redis.ask((client) => client.lLen(queue), signal);
    return { queue, maxLength, length, full: length >= maxLength };
  }

  async stats(signal: AbortSignal): Promise<QueueStats> {
    const { queue } = this.#settings;
    const status = await this.status(signal);
    const memoryBytes = await this.#redis.ask((client) => client.memoryUsage(queue).catch(notAllowed), signal);
    const info = (await this.#redis.ask((client) => client.info().catch(notAllowed), signal)) ?? '';
    const usedMemory = infoField(info, 'used_memory');
    return {
      ...status,
      memoryBytes,
      oldestCreatedAt: createdAt(await this.#at(-1, signal)),
      newestCreatedAt: createdAt(await this.#at(0, signal)),
      redisVersion: infoField(info, 'redis_version') ?? null,
      redisMemoryBytes: usedMemory === undefined ? null : Number(usedMemory),
    };
  }

  /** The oldest items, the next in line first. They stay where they are, and are fetched one by one, for their size. */
  async peek(count: number, signal: AbortSignal): Promise<PeekedItem[]> {
    const items: PeekedItem[] = [];
    while (items.length < count) {
      const text = await this.#at(-1 - items.length, signal);
      if (text === null) break;
      items.push(peeked(text));
    }
    return items;
  }

  /** Takes everything out, and says how many items that were. */
  async clear(signal: AbortSignal): Promise<number> {
    const { queue } = this.#settings;
    const [length] = await this.#redis.ask((client) => client.multi().lLen(queue).unlink(queue).execTyped(), signal);
    return length;
  }

  async health(signal: AbortSignal): Promise<Health> {
    const started = performance.now();
    const since = (): number => Math.round(performance.now() - started);
    try {
      const { length, maxLength } = await this.status(signal);
      const detail = `The list holds ${length} of at most ${maxLength} items`;
      return { healthy: true, latencyMs: since(), detail, length };
    } catch (error) {
      if (!(error instanceof DestinationUnavailable)) throw error;
      return { healthy: false, latencyMs: since(), detail: error.message };
    }
  }

  #at(index: number, signal: AbortSignal): Promise<string | null> {
    return this.#redis.ask((client) => client.lIndex(this.#settings.queue, index), signal);
  }
}

function peeked(text: string): PeekedItem {
  const item = parsed(text);
  if (item === undefined) return { raw: cut(text) };
  return Object.fromEntries(
    Object.entries(item).map(([name, value]) => [
      name,
      CUT.has(name) && typeof value === 'string' ? cut(value) : value,
    ]),
  );
}

const cut = (text: string): string => (text.length <= CUT_TO ? text : `${text.slice(0, CUT_TO)}...`);

function createdAt(text: string | null): string | null {
  const value = text === null ? undefined : parsed(text)?.['created_at'];
  return typeof value === 'string' ? value : null;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const infoField = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];

/** Some hosts allow a client little more than its own lists. */
function notAllowed(error: unknown): null {
  if (error instanceof ErrorReply) return null;
  throw error;
}
