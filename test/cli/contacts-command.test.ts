import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeApi, readBody, runCli, type FakeApi } from './fake-cli.ts';

const SYNC = {
  syncId: '0f6c2a1e-5f0e-4c6e-9d3a-2b7c1d4e5f60',
  organizationId: 'contoso',
  ...{ dryRun: true, startedBy: 'call', status: 'completed', reason: null },
  ...{ requestedAt: '2026-11-21T01:00:00Z', startedAt: '2026-11-21T01:00:00Z', endedAt: '2026-11-21T01:00:09Z' },
  counts: { contacts: 5, records: 4, added: 1, changed: 1, unchanged: 3, duplicates: 1, reads: 1, writes: 0 },
};
const SETTINGS = {
  organizationId: 'contoso',
  ...{ airtable: { baseId: 'appTestBase000001', tableName: 'Contacts' }, source: 'settings', mailboxes: null },
  columns: { email: 'Email', domain: 'Domain', totalMailsSent: 'Total Mails Sent', lastInteractedDate: 'Last' },
  ...{ onChange: true, everySeconds: 3600, changedAt: '2026-11-21T01:00:00Z' },
};

describe('outhaul contacts', () => {
  let api: FakeApi;
  let folder: string;
  let asked: { what: string; query: Record<string, string>; body: unknown }[];
  let answers: Record<string, { status?: number; body: object }>;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'outhaul-contacts-'));
    asked = [];
    answers = {};
    api = await fakeApi((request, response) => {
      void (async () => {
        const url = new URL(request.url ?? '', 'http://api');
        const text = await readBody(request);
        const what = `${request.method} ${url.pathname.replace('/api/v1/contacts', '')}`;
        const body: unknown = text === '' ? undefined : JSON.parse(text);
        asked.push({ what, query: Object.fromEntries(url.searchParams), body });
        const { status = 200, body: answer } = answers[what] ?? { body: {} };
        response
          .writeHead(status, { 'content-type': 'application/json' })
          .end(JSON.stringify({ success: status < 400, ...answer }));
      })();
    });
  });
  afterEach(async () => {
    await api.close();
    await rm(folder, { recursive: true });
  });

  const outhaul = (...args: string[]) => runCli(['contacts', ...args, '--url', api.url, '--data-dir', '/nonexistent']);

  it('list prints them, and says where there is more', async () => {
    const contact = { address: 'ada@x.example', domain: 'x.example', totalMailsSent: 3, lastInteractedDate: null };
    const pagination = { limit: 1, offset: 0, total: 2, hasMore: true };
    answers['GET '] = { body: { contacts: [contact], complete: false, pagination } };
    const { code, out, notes } = await outhaul('list', '--limit', '1');
    expect(code).toBe(0);
    expect(out).toMatch(/ADDRESS +DOMAIN +MAILS +LAST\nada@x.example +x.example +3/);
    expect(notes).toContain('2 contacts; --limit shows more');
    expect(notes).toContain('Sent mail is still being counted');
    expect((await outhaul('list', '--limit', '1', '--json')).out).toBe(`${JSON.stringify(contact)}\n`);
  });

  it('sync --dry-run prints the difference', async () => {
    answers['POST /sync'] = { status: 202, body: { message: 'Compared', sync: { ...SYNC, status: 'pending' } } };
    const differences = [
      { change: 'new', address: 'new@x.example', before: null, after: { email: 'new@x.example', totalMailsSent: 1 } },
      { change: 'changed', address: 'ada@x.example', before: { totalMailsSent: null }, after: { totalMailsSent: 4 } },
    ];
    answers[`GET /sync/${SYNC.syncId}`] = { body: { sync: SYNC, differences } };
    const { code, out, notes } = await outhaul('sync', '--dry-run');
    expect([code, asked[0]?.body]).toEqual([0, { dryRun: true }]);
    expect(out).toBe('+ new@x.example  totalMailsSent: 1\n~ ada@x.example  totalMailsSent: nothing → 4\n');
    expect(notes).toContain('1 new, 1 changed, 3 unchanged; nothing was written.');
    expect(notes).toContain('1 records were left alone');
  });

  it('sync ends with 1 and the reason where it has failed', async () => {
    answers['POST /sync'] = { status: 202, body: { message: 'Begun', sync: SYNC } };
    const failed = { ...SYNC, status: 'failed', counts: null, reason: 'Airtable does not accept the API key' };
    answers[`GET /sync/${SYNC.syncId}`] = { body: { sync: failed, differences: [] } };
    const { code, notes } = await outhaul('sync');
    expect([code, notes]).toEqual([1, expect.stringContaining('has failed: Airtable does not accept the API key')]);
    expect((await outhaul('sync', '--no-wait')).out).toBe(`${SYNC.syncId}\n`);
  });

  it('status prints the latest syncs', async () => {
    answers['GET /sync'] = { body: { syncs: [SYNC] } };
    expect((await outhaul('status')).out).toMatch(/2026-11-21T01:00:00Z +call, dry run +completed +1 +1 +3/);
    answers['GET /sync'] = { body: { syncs: [] } };
    expect((await outhaul('status')).notes).toContain('No sync of contacts has been asked for.');
  });

  it('settings shows them, changes what is named and keeps the rest', async () => {
    answers['GET /settings'] = { body: { settings: SETTINGS } };
    answers['PUT /settings'] = { body: { message: 'Set', settings: SETTINGS } };
    expect((await outhaul('settings')).out).toContain('Airtable:   table Contacts of base appTestBase000001\n');
    await outhaul('settings', '--no-every', '--mailboxes', 'a@x.example, x.example', '--column', 'domain=Firma');
    expect(asked.at(-1)?.body).toEqual({
      ...{ airtable: SETTINGS.airtable, mailboxes: ['a@x.example', 'x.example'], everySeconds: null, onChange: true },
      columns: { ...SETTINGS.columns, domain: 'Firma' },
    });
    await writeFile(join(folder, 'token'), 'patSecret\n');
    await outhaul('settings', '--table', 'People', '--airtable-key-file', join(folder, 'token'), '--no-on-change');
    expect(asked.at(-1)?.body).toMatchObject({
      airtable: { baseId: 'appTestBase000001', tableName: 'People', apiKey: 'patSecret' },
      ...{ onChange: false, everySeconds: 3600 },
    });
    answers['DELETE /settings'] = { body: { message: 'Forgotten' } };
    expect((await outhaul('settings', '--remove')).notes).toContain('Forgotten.');
  });

  it.each([
    [['--column', 'phone=Telefon'], '--column phone=Telefon names no column'],
    [['--base', 'appTestBase000001'], 'Which table?'],
  ])('settings refuses %j', async (args, words) => {
    answers['GET /settings'] = { body: { settings: { ...SETTINGS, airtable: null, source: 'none' } } };
    const { code, notes } = await outhaul('settings', ...args);
    expect([code, notes]).toEqual([2, expect.stringContaining(words)]);
  });
});
