import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AirtableRefused, AirtableUnavailable } from '../../destinations/airtable/errors.ts';
import { syncTable } from '../../destinations/airtable/sync.ts';
import { AirtableTable, type AirtableTableOptions } from '../../destinations/airtable/table.ts';
import type { Contact } from '../../model/contact.ts';
import {
  CONTACT_COLUMNS,
  type ContactColumns,
  type ContactDifference,
  type SyncProgress,
} from '../../model/contact-sync.ts';
import { startAirtable, type AirtableDouble } from '../support/airtable.ts';

/** A second of the double takes 50 ms. */
const CLOCK = 20;
let airtable: AirtableDouble;
const tables: AirtableTable[] = [];
beforeEach(async () => {
  airtable = await startAirtable({ clock: CLOCK });
});
afterEach(async () => {
  for (const table of tables.splice(0)) await table.close();
  await airtable.close();
});

const contact = (n: number, more: Partial<Contact> = {}): Contact => ({
  address: `p${n}@x.example`,
  domain: 'x.example',
  totalMailsSent: n,
  lastInteractedDate: '2026-01-02T03:04:05Z',
  ...more,
});

const recordOf = ({ address, domain, totalMailsSent, lastInteractedDate }: Contact) => ({
  Email: address,
  Domain: domain,
  'Total Mails Sent': totalMailsSent,
  'Last Interacted Date': new Date(lastInteractedDate!).toISOString(),
});

const many = (count: number): Contact[] => Array.from({ length: count }, (_, n) => contact(n + 1));

function openTable(more: Partial<AirtableTableOptions> = {}): AirtableTable {
  const { url, apiKey, baseId, tableName } = airtable;
  const columns = Object.values(CONTACT_COLUMNS);
  const paces = { secondMs: 1_000 / CLOCK + 3, penaltyMs: 30_000 / CLOCK + 20 };
  const table = new AirtableTable({ url, apiKey, baseId, tableName, columns, ...paces, ...more });
  tables.push(table);
  return table;
}

interface Options extends Partial<AirtableTableOptions> {
  readonly dryRun?: boolean;
  readonly names?: ContactColumns;
}

async function sync(contacts: readonly Contact[], { dryRun = false, names = CONTACT_COLUMNS, ...more }: Options = {}) {
  const differences: ContactDifference[] = [];
  const progress: SyncProgress[] = [];
  const counts = await syncTable({
    table: openTable({ columns: Object.values(names), ...more }),
    columns: names,
    contacts: (async function* () {
      for (let from = 0; from < contacts.length; from += 300) yield contacts.slice(from, from + 300);
    })(),
    dryRun,
    onProgress: async (event) => void progress.push(event),
    onDifference: (difference) => differences.push(difference),
    signal: new AbortController().signal,
  });
  return { counts, differences, progress };
}

describe('a sync', () => {
  it('adds those that are missing, changes what differs, and leaves the rest and the records of others alone', async () => {
    airtable.add({ ...recordOf(contact(1)), Notes: 'ours' });
    airtable.add({ ...recordOf(contact(2)), 'Total Mails Sent': 1, Notes: 'keep' });
    const other = airtable.add({ Email: 'somebody@else.example', Notes: 'not ours' });
    airtable.add({ Notes: 'no address' });
    const { counts } = await sync([contact(1), contact(2), contact(3)]);
    expect(counts).toEqual({
      ...{ contacts: 3, records: 4, added: 1, changed: 1, unchanged: 1, duplicates: 0 },
      ...{ reads: 1, writes: 2 },
    });
    expect(airtable.requests).toEqual(['GET', 'PATCH', 'POST']);
    expect(airtable.records.map(({ fields }) => fields)).toEqual([
      { ...recordOf(contact(1)), Notes: 'ours' },
      { ...recordOf(contact(2)), Notes: 'keep' },
      other.fields,
      { Notes: 'no address' },
      recordOf(contact(3)),
    ]);
  });

  it('costs the reads and one write where 10 of 1,000 have changed, and the reads where none has', async () => {
    const contacts = many(1000);
    for (const each of contacts) airtable.add(recordOf(each));
    const changed = contacts.map((each, n) => (n % 100 === 7 ? { ...each, totalMailsSent: 5000 } : each));
    expect((await sync(changed)).counts).toMatchObject({ reads: 10, writes: 1, changed: 10, unchanged: 990 });
    expect((await sync(changed)).counts).toMatchObject({ reads: 10, writes: 0, unchanged: 1000 });
    expect(airtable.tooSoon()).toBe(0);
  });

  it('writes 10 records a request and at most 5 requests a second', async () => {
    const { counts } = await sync(many(95));
    expect(counts).toMatchObject({ added: 95, writes: 10, reads: 1 });
    expect(airtable.records).toHaveLength(95);
    expect(airtable.tooSoon()).toBe(0);
  });

  it('says in a dry run what it would write, and writes nothing', async () => {
    airtable.add({ ...recordOf(contact(1)), 'Total Mails Sent': 0 });
    const { counts, differences } = await sync([contact(1), contact(2)], { dryRun: true });
    expect(counts).toMatchObject({ added: 1, changed: 1, writes: 0 });
    expect(differences).toEqual([
      { change: 'changed', address: 'p1@x.example', before: { totalMailsSent: 0 }, after: { totalMailsSent: 1 } },
      {
        change: 'new',
        address: 'p2@x.example',
        before: null,
        after: {
          email: 'p2@x.example',
          domain: 'x.example',
          totalMailsSent: 2,
          lastInteractedDate: '2026-01-02T03:04:05.000Z',
        },
      },
    ]);
    expect(airtable.requests).toEqual(['GET']);
  });

  it('knows an address in whatever form Airtable has it, and of several records keeps the oldest', async () => {
    airtable.add({ ...recordOf(contact(1)), Email: 'P1@X.example' }, '2026-05-01T00:00:00.000Z');
    const oldest = airtable.add({ Email: ' p1@x.example ' }, '2026-04-01T00:00:00.000Z');
    const { counts } = await sync([contact(1)]);
    expect(counts).toMatchObject({ added: 0, changed: 1, duplicates: 1 });
    expect(oldest.fields).toEqual({ ...recordOf(contact(1)), Email: ' p1@x.example ' });
  });

  it('writes and compares days where the column keeps days, and numbers as numbers where it keeps texts', async () => {
    airtable.columns['Last Interacted Date'] = 'date';
    await sync([contact(1)]);
    expect(airtable.records[0]?.fields['Last Interacted Date']).toBe('2026-01-02');
    expect((await sync([contact(1)])).counts).toMatchObject({ unchanged: 1 });
    airtable.records[0]!.fields['Total Mails Sent'] = ' 1 ';
    expect((await sync([contact(1, { lastInteractedDate: '2026-01-02T23:59:59Z' })])).counts).toMatchObject({
      unchanged: 1,
    });
    const { differences } = await sync([contact(1, { lastInteractedDate: '2026-01-03T00:00:00Z' })]);
    expect(differences).toMatchObject([{ after: { lastInteractedDate: '2026-01-03' } }]);
  });

  it('leaves the date empty where no mail says when it was sent', async () => {
    await sync([contact(1, { lastInteractedDate: null })]);
    expect(airtable.records[0]?.fields).not.toHaveProperty('Last Interacted Date');
  });

  it('takes columns of other names', async () => {
    const names = { email: 'E-Mail', domain: 'Firma', totalMailsSent: 'Anzahl', lastInteractedDate: 'Zuletzt' };
    Object.assign(airtable.columns, { 'E-Mail': 'text', Firma: 'text', Anzahl: 'number', Zuletzt: 'dateTime' });
    await sync([contact(1)], { names });
    expect(airtable.records[0]?.fields).toEqual({
      ...{ 'E-Mail': 'p1@x.example', Firma: 'x.example', Anzahl: 1, Zuletzt: '2026-01-02T03:04:05.000Z' },
    });
  });
});

describe('limits', () => {
  it('are waited for after a 429, as long as Airtable says, and nothing is written twice', async () => {
    const waits: number[] = [];
    const { counts } = await sync(many(45), { secondMs: 0, onPenalty: async (ms) => void waits.push(ms) });
    expect(counts).toMatchObject({ added: 45 });
    expect(airtable.records).toHaveLength(45);
    expect(waits.length).toBeGreaterThan(0);
    expect(airtable.tooSoon()).toBe(waits.length);
  });

  it('of the month end the sync', async () => {
    airtable.instead = () => ({ status: 429, body: { errors: [{ error: 'PUBLIC_API_BILLING_LIMIT_EXCEEDED' }] } });
    await expect(sync([contact(1)])).rejects.toThrow("The month's calls of the Airtable workspace are used up");
  });

  it('are not waited for for ever', async () => {
    airtable.instead = () => ({ status: 429, body: {} });
    await expect(sync([contact(1)], { penaltyMs: 1 })).rejects.toThrow(AirtableUnavailable);
  });
});

describe('what is wrong is said in words', () => {
  const text = { error: { type: 'UNPROCESSABLE', message: 'p1@x.example cannot be' } };
  it.each<[string, Options & { instead?: { status: number; body: unknown } }, string]>([
    ['a wrong key', { apiKey: 'patWrong' }, 'does not accept the API key: make a personal access token'],
    ['another base', { baseId: 'appOther' }, 'there is no table "Contacts & more" of base appOther, or'],
    ['another table', { tableName: '../meta' }, 'there is no table "../meta" of base appTestBase000001, or'],
    ['no such place', { instead: { status: 404, body: { error: 'NOT_FOUND' } } }, 'Airtable knows no table'],
    [
      'a column that is missing',
      { names: { ...CONTACT_COLUMNS, domain: 'Company' } },
      'table "Contacts & more" of base appTestBase000001 has no column "Company": make it, or name another',
    ],
    [
      'a column of another type',
      { names: { ...CONTACT_COLUMNS, totalMailsSent: 'Notes' } },
      'the column "Notes" does not take',
    ],
    [
      'anything else, without quoting it',
      { instead: { status: 422, body: text } },
      /^Airtable refuses: 422 UNPROCESSABLE$/ as never,
    ],
    ['nothing at all', { instead: { status: 413, body: undefined } }, /^Airtable refuses: 413$/ as never],
  ])('%s', async (_, { instead, ...options }, words) => {
    if (instead) airtable.instead = () => instead;
    const failure = sync([contact(1)], options);
    await expect(failure).rejects.toThrow(words);
    await expect(failure).rejects.toThrow(AirtableRefused);
  });

  it.each<[string, { status: number; body: unknown; reset?: boolean }]>([
    ['a fault of its own', { status: 503, body: '' }],
    ['a cut connection', { status: 0, body: '', reset: true }],
    [
      'a list that has lost its place',
      { status: 422, body: { error: { type: 'LIST_RECORDS_ITERATOR_NOT_AVAILABLE' } } },
    ],
    ['an answer that is none', { status: 200, body: ['?'] }],
    ['a record without an id', { status: 200, body: { records: [{}] } }],
  ])('%s may pass', async (_, answer) => {
    airtable.instead = () => answer;
    await expect(sync([contact(1)])).rejects.toThrow(AirtableUnavailable);
  });

  it('silence may pass', async () => {
    const paused = openTable({ timeoutMs: 1 });
    await expect(paused.pages(new AbortController().signal).next()).rejects.toThrow(
      'out of reach: no answer within 0.001 s',
    );
  });
});

it('what was added though no answer came is not added again by the next attempt', async () => {
  airtable.cutAfter = (method) => method === 'POST';
  await expect(sync(many(15))).rejects.toThrow(AirtableUnavailable);
  expect(airtable.records).toHaveLength(10);
  airtable.cutAfter = undefined;
  expect((await sync(many(15))).counts).toMatchObject({ added: 5, unchanged: 10 });
  expect(airtable.records).toHaveLength(15);
});
