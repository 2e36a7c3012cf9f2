import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface DoubleRecord {
  readonly id: string;
  readonly createdTime: string;
  fields: Record<string, unknown>;
}

export type ColumnType = 'text' | 'number' | 'date' | 'dateTime';

export interface AirtableDouble {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  apiKey: string;
  readonly baseId: string;
  readonly tableName: string;
  /** In the order in which they were made. */
  readonly records: DoubleRecord[];
  readonly columns: Record<string, ColumnType>;
  /** Methods of the requests that were answered with success, in order. */
  readonly requests: string[];
  /** How often a request came too soon. */
  readonly tooSoon: () => number;
  /** Answers instead, if it gives a status; the request was not looked at. `reset` cuts the connection. */
  instead: ((method: string) => { status: number; body: unknown; reset?: boolean } | undefined) | undefined;
  /** Does what is asked and then cuts the connection instead of answering. */
  cutAfter: ((method: string) => boolean) | undefined;
  add(fields: Record<string, unknown>, createdTime?: string): DoubleRecord;
  close(): Promise<void>;
}

/**
 * A table in Airtable as far as a client can tell: 5 requests in any second for the base, and after the sixth 429 for all
 * until 30 seconds have passed in which nobody asks too soon; pages of 100; 10 records a request; a value has to fit its column.
 * @param clock how many of its seconds pass in one: limits and penalties are that much shorter. Default 1
 */
export async function startAirtable({ clock = 1 } = {}): Promise<AirtableDouble> {
  const second = 1000 / clock;
  const times: number[] = [];
  let penaltyUntil = 0;
  let tooSoon = 0;
  let made = 0;
  const isTooSoon = (): boolean => {
    const now = performance.now();
    while (times.length > 0 && times[0]! <= now - second) times.shift();
    times.push(now);
    if (now >= penaltyUntil && times.length <= 5) return false;
    if (now >= penaltyUntil) penaltyUntil = now + 30 * second;
    tooSoon++;
    return true;
  };
  const server = createServer((request, response) => {
    const { method = '' } = request;
    void bodyOf(request).then((body) => {
      const answer = (status: number, json: unknown): void => {
        if (status < 300) double.requests.push(method);
        if (status < 300 && double.cutAfter?.(method)) return void request.socket.destroy();
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
      };
      const instead = double.instead?.(method);
      if (instead?.reset) return void request.socket.destroy();
      if (instead) return answer(instead.status, instead.body);
      if (isTooSoon()) {
        return answer(429, {
          errors: [{ error: 'RATE_LIMIT_REACHED', message: 'Rate limit exceeded. Please try again later' }],
        });
      }
      answer(...respond(double, request, body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const double: AirtableDouble = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    apiKey: 'patTest.secret',
    baseId: 'appTestBase000001',
    tableName: 'Contacts & more',
    records: [],
    columns: {
      Email: 'text',
      Domain: 'text',
      'Total Mails Sent': 'number',
      'Last Interacted Date': 'dateTime',
      Notes: 'text',
    },
    requests: [],
    tooSoon: () => tooSoon,
    instead: undefined,
    cutAfter: undefined,
    add(fields, createdTime = new Date().toISOString()) {
      const record = { id: `rec${String(++made).padStart(14, '0')}`, createdTime, fields };
      double.records.push(record);
      return record;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return double;
}

type Answer = [status: number, json: unknown];

const refuse = (status: number, type: string, message: string): Answer => [status, { error: { type, message } }];

function respond(double: AirtableDouble, { url = '', method, headers }: IncomingMessage, body: unknown): Answer {
  const { pathname, searchParams } = new URL(url, double.url);
  const [, version, base, table] = pathname.split('/').map(decodeURIComponent);
  if (headers.authorization !== `Bearer ${double.apiKey}`)
    return refuse(401, 'AUTHENTICATION_REQUIRED', 'Authentication required');
  if (version !== 'v0') return [404, { error: 'NOT_FOUND' }];
  if (base !== double.baseId || table !== double.tableName) {
    return refuse(
      403,
      'INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND',
      'Invalid permissions, or the requested model was not found.',
    );
  }
  if (method === 'GET') return list(double, searchParams);
  const { records } = Object(body) as { records?: { id?: string; fields: Record<string, unknown> }[] };
  if (!Array.isArray(records) || records.length === 0 || records.length > 10) {
    return refuse(422, 'INVALID_REQUEST_UNKNOWN', 'Invalid request: parameter validation failed.');
  }
  for (const { fields } of records) {
    const refusal = check(double, fields);
    if (refusal) return refusal;
  }
  if (method === 'POST') return [200, { records: records.map(({ fields }) => double.add(stored(double, fields))) }];
  const found = records.map(({ id }) => double.records.find((record) => record.id === id));
  if (found.some((record) => !record))
    return refuse(422, 'ROW_DOES_NOT_EXIST', 'Record ID does not exist in this table');
  records.forEach(({ fields }, n) => Object.assign(found[n]!.fields, stored(double, fields)));
  return [200, { records: found }];
}

function list({ records, columns }: AirtableDouble, search: URLSearchParams): Answer {
  const names = search.getAll('fields[]');
  const unknown = names.find((name) => !(name in columns));
  if (unknown !== undefined) return refuse(422, 'UNKNOWN_FIELD_NAME', `Unknown field name: "${unknown}"`);
  const from = Number(search.get('offset')?.replace('itr/', '') ?? 0);
  const size = Math.min(Number(search.get('pageSize') ?? 100), 100);
  const shown = records.slice(from, from + size).map(({ fields, ...record }) => ({
    ...record,
    fields: Object.fromEntries(Object.entries(fields).filter(([name]) => names.length === 0 || names.includes(name))),
  }));
  return [200, { records: shown, ...(from + size < records.length && { offset: `itr/${from + size}` }) }];
}

function check({ columns }: AirtableDouble, fields: Record<string, unknown>): Answer | undefined {
  for (const [name, value] of Object.entries(fields)) {
    const type = columns[name];
    if (type === undefined) return refuse(422, 'UNKNOWN_FIELD_NAME', `Unknown field name: "${name}"`);
    const fits = type === 'number' ? typeof value === 'number' : typeof value === 'string';
    const isTime = !type.startsWith('date') || !Number.isNaN(Date.parse(String(value)));
    if (!fits || !isTime) {
      return refuse(422, 'INVALID_VALUE_FOR_COLUMN', `Field "${name}" cannot accept the provided value`);
    }
  }
  return undefined;
}

const stored = ({ columns }: AirtableDouble, fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (columns[name] === 'date') return [name, new Date(String(value)).toISOString().slice(0, 10)];
      return [name, columns[name] === 'dateTime' ? new Date(String(value)).toISOString() : value];
    }),
  );

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? undefined : (JSON.parse(text) as unknown);
}
