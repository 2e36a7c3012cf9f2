import { setTimeout as pause } from 'node:timers/promises';
import { Agent, type Dispatcher } from 'undici';
import type { AirtableTarget } from '../../model/contact-sync.ts';
import { AirtableUnavailable, airtableError, isPassing } from './errors.ts';

/** A record, with those of its values that were asked for and are not empty. */
export interface AirtableRecord {
  readonly id: string;
  readonly createdTime: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Records to be changed: only these fields are. */
export interface RecordChange {
  readonly id: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface AirtableTableOptions extends AirtableTarget {
  /** The columns that are read and written. */
  readonly columns: readonly string[];
  /** Default: `https://api.airtable.com`. */
  readonly url?: string | undefined;
  /** In so many ms not more than 5 requests. Default 1,010; 0: as many as one likes. */
  readonly secondMs?: number | undefined;
  /** How long nothing may be asked after a 429, ms. Default 30,000. */
  readonly penaltyMs?: number | undefined;
  /** For a request and its answer. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Is told that Airtable wants to be left alone for so long. */
  readonly onPenalty?: ((ms: number) => Promise<void>) | undefined;
}

/** Records of one request, read and written. Source: https://airtable.com/developers/web/api/list-records */
const PAGE = 100;
export const BATCH = 10;
const AT_ONCE = 5;
const SECOND_MS = 1_010;
const PENALTY_MS = 30_000;
const TIMEOUT_MS = 30_000;
const PENALTIES = 5;
const ANSWER_BYTES = 16 * 1024 * 1024;

/**
 * One table in Airtable, asked by one request at a time and at most 5 in any second. Nothing is looked for by formula and
 * nothing is converted by Airtable: values are written as they are, or refused.
 */
export class AirtableTable {
  readonly requests = { reads: 0, writes: 0 };
  readonly #options: AirtableTableOptions;
  readonly #agent = new Agent({ connections: 1, headersTimeout: 0, bodyTimeout: 0 });
  readonly #origin: string;
  readonly #path: string;
  /**
   * When the last requests were answered: when they came to Airtable is not known, but it was before that. Whoever asked
   * before us may have used up this second.
   */
  readonly #answered: number[] = new Array<number>(AT_ONCE).fill(performance.now());

  constructor(options: AirtableTableOptions) {
    const { origin, pathname } = new URL(options.url ?? 'https://api.airtable.com');
    this.#options = options;
    this.#origin = origin;
    const names = [options.baseId, options.tableName].map(encodeURIComponent);
    this.#path = `${pathname.replace(/\/$/, '')}/v0/${names.join('/')}`;
  }

  /**
   * All records, page by page.
   * @throws {AirtableRefused, AirtableUnavailable} the same holds for those that follow
   */
  async *pages(signal: AbortSignal): AsyncGenerator<readonly AirtableRecord[]> {
    let offset: string | undefined;
    do {
      const query = new URLSearchParams({ pageSize: String(PAGE) });
      for (const column of this.#options.columns) query.append('fields[]', column);
      if (offset !== undefined) query.set('offset', offset);
      this.requests.reads++;
      const answer = await this.#ask('GET', `?${query}`, undefined, signal);
      const { records, offset: next } = Object(answer) as { records?: unknown; offset?: unknown };
      if (!Array.isArray(records)) throw new AirtableUnavailable('Airtable answers without records');
      yield records.map(readRecord);
      offset = typeof next === 'string' ? next : undefined;
    } while (offset !== undefined);
  }

  /** Changes up to 10 records. */
  async update(records: readonly RecordChange[], signal: AbortSignal): Promise<void> {
    this.requests.writes++;
    await this.#ask('PATCH', '', { records }, signal);
  }

  /** Adds up to 10 records. Where no answer comes they may be there all the same: it is not tried again here. */
  async create(records: readonly Pick<RecordChange, 'fields'>[], signal: AbortSignal): Promise<void> {
    this.requests.writes++;
    await this.#ask('POST', '', { records }, signal);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** A request that is refused for coming too soon did nothing, so it is sent again once Airtable listens. */
  async #ask(
    method: 'GET' | 'PATCH' | 'POST',
    query: string,
    body: object | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { penaltyMs = PENALTY_MS, onPenalty } = this.#options;
    for (let penalties = 1; ; penalties++) {
      const { status, json } = await this.#exchange(method, query, body, signal);
      if (status >= 200 && status < 300) return json;
      if (status !== 429 || !isPassing(json)) throw airtableError(status, json, this.#options);
      if (penalties > PENALTIES) throw new AirtableUnavailable('Airtable wants to be left alone, again and again');
      await onPenalty?.(penaltyMs);
      await wait(penaltyMs, signal);
    }
  }

  async #exchange(method: 'GET' | 'PATCH' | 'POST', query: string, body: object | undefined, signal: AbortSignal) {
    const { apiKey, secondMs = SECOND_MS, timeoutMs = TIMEOUT_MS } = this.#options;
    const [first] = this.#answered.splice(0, this.#answered.length - AT_ONCE + 1);
    const waitMs = first === undefined ? 0 : first + secondMs - performance.now();
    if (waitMs > 0) await wait(waitMs, signal);
    try {
      const answer = await this.#agent.request({
        origin: this.#origin,
        path: this.#path + query,
        method,
        headers: { authorization: `Bearer ${apiKey}`, ...(body && { 'content-type': 'application/json' }) },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      return { status: answer.statusCode, json: await readJson(answer.body) };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AirtableUnavailable) throw error;
      const { code, name } = error as NodeJS.ErrnoException;
      const words = name === 'TimeoutError' ? `no answer within ${timeoutMs / 1000} s` : (code ?? name);
      throw new AirtableUnavailable(`Airtable is out of reach: ${words}`, { cause: error });
    } finally {
      this.#answered.push(performance.now());
    }
  }
}

/** Rejects with the signal's reason when that comes first. */
const wait = (ms: number, signal: AbortSignal): Promise<void> =>
  pause(ms, undefined, { signal }).catch(() => {
    throw signal.reason;
  });

async function readJson(body: Dispatcher.ResponseData['body']): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    if ((bytes += chunk.length) > ANSWER_BYTES) throw new AirtableUnavailable('The answer of Airtable is too long');
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
  } catch {
    return undefined;
  }
}

function readRecord(record: unknown): AirtableRecord {
  const { id, createdTime, fields } = Object(record) as Record<string, unknown>;
  if (typeof id !== 'string') throw new AirtableUnavailable('Airtable answers with a record that has no id');
  return {
    id,
    createdTime: typeof createdTime === 'string' ? createdTime : '',
    fields: Object(fields) as Record<string, unknown>,
  };
}
