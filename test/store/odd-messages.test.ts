import { describe, expect, it, vi } from 'vitest';
import type { GraphMessage, Json } from '../../model/mail.ts';
import { query } from '../../store/database.ts';
import { EMAIL_COLUMNS } from '../../store/email-columns.ts';
import { writePage } from '../../store/pages.ts';
import { listQuarantine } from '../../store/quarantine-list.ts';
import { folderCoverage } from '../../store/scan-folders.ts';
import { finishMailbox } from '../../store/scan-mailboxes.ts';
import { finishScan } from '../../store/scan-end.ts';
import { message, startReading, useStore, type Reading } from './support.ts';

const store = useStore();

/** Writes messages as if they had been parsed from this JSON, and reads them back. */
async function roundTrip(messages: readonly GraphMessage[], suspicious = true): Promise<StoredRow[]> {
  const reading = await startReading(store.db);
  const page = reading.page(JSON.parse(JSON.stringify(messages)) as GraphMessage[], { suspicious });
  expect(await writePage(store.db, reading.organization, page)).toMatchObject({ refused: [] });
  return stored(reading);
}

type StoredRow = Record<string, unknown>;
const stored = async ({ organization: { schema } }: Reading): Promise<StoredRow[]> => {
  const columns = `${EMAIL_COLUMNS.join(', ')}, _no, _user_id, _folder, _deleted_at`;
  const rows = await query<StoredRow>(store.db, { text: `SELECT ${columns} FROM ${schema}.emails ORDER BY _no` });
  return rows.map((row) => ({ ...row }));
};

const LONE = '\ud800';
const NUL = '\u0000';

describe('whatever Graph sends', () => {
  it('is stored when strings hold NUL characters and lone surrogates, and the record keeps them as they came', async () => {
    const odd = `a${NUL}b${LONE}c\udc00d`;
    const from = { emailAddress: { name: odd, address: `x${NUL}@y.example` } };
    const body = { contentType: 'html', content: odd };
    const [row] = await roundTrip([
      message('odd', { subject: odd, from, toRecipients: [from], body, categories: [odd], flag: { flagStatus: odd } }),
    ]);
    const clean = 'a\ufffdb\ufffdc\ufffdd';
    expect(row).toMatchObject({
      subject: clean,
      from_name: clean,
      from_address: 'x\ufffd@y.example',
      body_content: clean,
      to_recipients: [{ name: clean, address: 'x\ufffd@y.example' }],
      categories: [clean],
      flag_status: clean,
      record: { subject: odd, from, toRecipients: [from], body, categories: [odd], flag: { flagStatus: odd } },
    });
  });

  it('is stored when the caller did not notice that it is odd', async () => {
    const [row] = await roundTrip([message('odd', { subject: `a${NUL}b`, ccRecipients: [LONE] })], false);
    expect(row).toMatchObject({ subject: 'a\ufffdb', record: { subject: `a${NUL}b`, ccRecipients: [LONE] } });
  });

  it('is stored with ids that hold NUL characters, quotes and everything else', async () => {
    const ids = [
      `a${NUL}b`,
      `'; DROP TABLE emails; --`,
      '"',
      '\\',
      '$1',
      '%s',
      '🙂',
      ' ',
      '\n',
      '\x1e\x1d\x15',
      'NULL',
      '{}',
    ];
    const rows = await roundTrip(ids.map((id) => message(id)));
    expect(rows.map(({ id }) => id)).toEqual(ids.map((id) => id.replace(NUL, '\ufffd')));
    expect(rows[0]?.['record']).toMatchObject({ id: `a${NUL}b` });
  });

  it('is stored with every control character in every string', async () => {
    const controls = Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code)).join('x');
    const body = { contentType: controls, content: controls };
    const [row] = await roundTrip([message('controls', { subject: controls, body, importance: controls })]);
    const clean = controls.replace(NUL, '\ufffd');
    expect(row).toMatchObject({ subject: clean, body_content: clean, body_content_type: clean, importance: clean });
  });

  it.each([
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z', false],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59Z', false],
    ['2024-02-29T12:00:00Z', '2024-02-29T12:00:00Z', false],
    ['2024-03-01T10:20:30.1234567Z', '2024-03-01T10:20:30.123Z', true],
    ['2024-03-01T12:20:30+02:00', '2024-03-01T10:20:30Z', true],
    ['2023-02-29T12:00:00Z', null, true],
    ['2024-02-30T00:00:00Z', null, true],
    ['2024-13-01T00:00:00Z', null, true],
    ['2024-01-01T24:00:00Z', null, true],
    ['2024-01-01T23:59:60Z', null, true],
    ['0000-01-01T00:00:00Z', null, true],
    ['0001-01-01T00:00:00+01:00', null, true],
    ['9999-12-31T23:59:59-01:00', null, true],
    ['+12024-01-01T00:00:00Z', null, true],
    ['-0044-03-15T00:00:00Z', null, true],
    ['infinity', null, true],
    ['now', null, true],
    ['', null, true],
  ])('is stored with the date %j', async (text, column, recorded) => {
    const [row] = await roundTrip([message('dated', { receivedDateTime: text, sentDateTime: text })]);
    expect(row).toMatchObject({
      received_date_time: column,
      sent_date_time: column,
      record: recorded ? { receivedDateTime: text, sentDateTime: text } : null,
    });
  });

  it('is stored with every member null', async () => {
    const nulls = Object.fromEntries(Object.keys(message('n')).map((member) => [member, null]));
    const [row] = await roundTrip([{ ...nulls, id: 'nulls' }]);
    const { id, _no, _user_id, _folder, ...rest } = row ?? {};
    expect(id).toBe('nulls');
    expect(Object.values(rest).every((value) => value === null)).toBe(true);
  });

  it('is stored with nothing but an id', async () => {
    const reading = await startReading(store.db);
    const result = await writePage(store.db, reading.organization, reading.page([{ id: 'bare' }]));
    expect(result).toMatchObject({ inserted: 1 });
    expect(await stored(reading)).toMatchObject([{ id: 'bare', subject: null, record: null }]);
  });

  it('is stored when members have other types than promised, each kept as received', async () => {
    const values: Json[] = [0, -1.5, true, 'text', [], [null], {}, { nested: [1, { deep: null }] }];
    const members = Object.keys(message('t')).filter((member) => member !== 'id');
    const messages = values.map((value, i) => ({
      id: `t${i}`,
      ...Object.fromEntries(members.map((member) => [member, value])),
    }));
    const rows = await roundTrip(messages);
    for (const [i, value] of values.entries()) {
      const { record } = rows[i] ?? {};
      const fits = { subject: typeof value === 'string', isRead: typeof value === 'boolean' };
      for (const [member, held] of Object.entries(fits)) {
        if (!held) expect(record, `${member} = ${JSON.stringify(value)}`).toMatchObject({ [member]: value });
      }
    }
  });

  it('is stored with members that nobody knows, even __proto__', async () => {
    const text = `{"id":"unknown","__proto__":{"polluted":true},"constructor":1,"@odata.type":"#microsoft.graph.eventMessage",
      "size":12345678901234567890,"attachments":[{"name":"\\u0000"}]}`;
    const reading = await startReading(store.db);
    const page = reading.page([JSON.parse(text) as GraphMessage], { suspicious: true });
    await writePage(store.db, reading.organization, page);
    const [kept] = await store.sql<{ record: string }>(
      `SELECT record::text AS record FROM ${reading.organization.schema}.emails`,
    );
    expect(JSON.parse(kept?.record ?? '')).toEqual(
      JSON.parse(
        '{"__proto__":{"polluted":true},"constructor":1,"@odata.type":"#microsoft.graph.eventMessage","size":12345678901234567000,"attachments":[{"name":"\\u0000"}]}',
      ),
    );
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('is stored with a body of megabytes and a thousand recipients', async () => {
    const toRecipients = Array.from({ length: 1000 }, (_, i) => ({
      emailAddress: { name: `Person ${i} ✓`, address: `person${i}@contoso.example` },
    }));
    const content = '<p>é</p>'.repeat(600_000);
    const [row] = await roundTrip([message('big', { toRecipients, body: { contentType: 'html', content } })]);
    expect(row).toMatchObject({ body_content: content, record: null });
    expect(row?.['to_recipients']).toHaveLength(1000);
  });
});

describe('a message that the database refuses', () => {
  const endlessId = Array.from({ length: 900 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7919) % 20_000)))
    .join('')
    .repeat(3);

  it('costs neither its page nor the place in the round, and is in quarantine', async () => {
    const reading = await startReading(store.db);
    const page = reading.page([message('before'), message(endlessId), message('after')], {
      removed: [{ id: 'unknown', reason: 'deleted' }],
    });
    const result = await writePage(store.db, reading.organization, page);
    expect(result).toMatchObject({ inserted: 2, refused: [{ id: endlessId, code: '54000' }] });
    expect((await stored(reading)).map(({ id }) => id)).toEqual(['before', 'after']);
    const { scanNo, mailboxId } = reading;
    expect(await folderCoverage(store.db, scanNo, mailboxId)).toMatchObject([{ records: 2, pages: 1 }]);
    const { organizationId } = reading.organization;
    const { entries } = await listQuarantine(store.db, { organizationId, resolved: false, limit: 10 });
    expect(entries).toMatchObject([{ messageId: endlessId, cause: '54000', stored: false, unreadable: [] }]);
    await finishMailbox(store.db, { scanNos: [scanNo], mailboxId, outcome: 'completed' });
    const ended = await finishScan(store.db, scanNo, { end: 'ran', maxConcurrent: 100 });
    expect(ended.status).toBe('completed_with_errors');
  });

  it('is refused alone also of a page whose messages were let go of and had to be brought back', async () => {
    const reading = await startReading(store.db);
    const sent = [message('before'), message(endlessId), message('after')];
    const messages = [...sent];
    const letGo = vi.fn(() => void (messages.length = 0));
    const again = vi.fn(() => sent);
    const page = { ...reading.page(messages), held: { letGo, again } };
    const result = await writePage(store.db, reading.organization, page);
    expect(result).toMatchObject({ inserted: 2, refused: [{ id: endlessId, code: '54000' }] });
    expect(messages).toEqual([]);
    expect(letGo).toHaveBeenCalled();
    expect(again).toHaveBeenCalled();
    expect((await stored(reading)).map(({ id }) => id)).toEqual(['before', 'after']);
  });

  it('is refused alone when an operator has added a check to the table', async () => {
    const reading = await startReading(store.db);
    await store.sql(
      `ALTER TABLE ${reading.organization.schema}.emails ADD CONSTRAINT short CHECK (length(subject) < 10)`,
    );
    const page = reading.page([message('short', { subject: 'short' }), message('long', { subject: 'x'.repeat(10) })]);
    const result = await writePage(store.db, reading.organization, page);
    expect(result).toMatchObject({ inserted: 1, refused: [{ id: 'long', code: '23514' }] });
  });

  it('is refused alone when it is nested too deep to be written', async () => {
    const depth = 200_000;
    const deep = JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`) as Json;
    const reading = await startReading(store.db);
    const page = reading.page([message('flat'), message('deep', { extension: deep })]);
    const result = await writePage(store.db, reading.organization, page);
    expect(result).toMatchObject({ inserted: 1, refused: [{ id: 'deep' }] });
  });
});

describe('a partial delta record', () => {
  it('is merged into the stored message, member by member', async () => {
    const reading = await startReading(store.db);
    const full = message('a', { extra: 1, other: { kept: true }, receivedDateTime: '2024-03-01T10:20:30.5Z' });
    await writePage(store.db, reading.organization, reading.page([full]));
    const [before] = await stored(reading);
    const partial = { id: 'a', '@odata.etag': 'W/"newer"', isRead: true, subject: null, extra: 2, toRecipients: [] };
    const result = await writePage(store.db, reading.organization, reading.page([partial]));
    expect(result).toMatchObject({ updated: 1 });
    expect(await stored(reading)).toEqual([
      {
        ...before,
        is_read: true,
        subject: null,
        to_recipients: [],
        change_key: 'newer',
        record: { extra: 2, other: { kept: true }, receivedDateTime: '2024-03-01T10:20:30.5Z' },
      },
    ]);
  });

  it('is merged even where it carries the change key that is stored', async () => {
    const reading = await startReading(store.db);
    await writePage(store.db, reading.organization, reading.page([message('a')]));
    await writePage(store.db, reading.organization, reading.page([{ id: 'a', changeKey: 'ck-a', isRead: true }]));
    expect(await stored(reading)).toMatchObject([{ is_read: true, subject: 'Subject of a' }]);
  });

  it('does not touch a message that comes whole on the same page', async () => {
    const reading = await startReading(store.db);
    await writePage(store.db, reading.organization, reading.page([message('a'), message('b')]));
    const result = await writePage(
      store.db,
      reading.organization,
      reading.page([message('a'), { id: 'b', isRead: true }]),
    );
    expect(result).toMatchObject({ updated: 1, unchanged: 1 });
  });
});
