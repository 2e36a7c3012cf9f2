import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { contactsWorkflowId } from '../../model/ids.ts';
import { query } from '../../store/database.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { organizationIdKey } from '../../workflows/search-attributes.ts';
import { startAirtable, type AirtableDouble } from '../support/airtable.ts';
import { listOf, textOf, type Body } from './support/stage.ts';
import { openTenantStage, type TenantStage } from './support/tenant-stage.ts';

const LONG = { timeout: 60_000, interval: 100 };
const PATH = '/api/v1/contacts';

let stage: TenantStage;
let airtable: AirtableDouble;
let organizationId: string;
let key: string;
beforeAll(async () => {
  airtable = await startAirtable();
  stage = await openTenantStage({ mailboxes: 2, messagesPerMailbox: 30 }, { AIRTABLE_ENDPOINT_URL: airtable.url });
});
beforeEach(async () => {
  organizationId = stage.organization('contacts');
  await ensureOrganization(stage.db, organizationId);
  key = await stage.keyOf(organizationId);
  airtable.apiKey = 'patTest.secret';
  airtable.records.length = 0;
  airtable.instead = undefined;
});
afterEach(async () => {
  await ask('DELETE', `${PATH}/settings`);
  await stage.heal();
});
afterAll(async () => {
  await stage?.close();
  await airtable?.close();
});

const ask = (method: string, path: string, body?: object) => stage.call(method, path, { key, body });
const base = () => ({ apiKey: airtable.apiKey, baseId: airtable.baseId, tableName: airtable.tableName });
const set = (more: object = {}) => ask('PUT', `${PATH}/settings`, { airtable: base(), ...more });

async function scan(mode: 'full' | 'incremental' = 'full'): Promise<void> {
  const scanId = `scan-${randomUUID()}`;
  const config = { scanId, organizationId, type: ['email'], auth: stage.auth, mode, filters: { folders: ['sent'] } };
  expect((await ask('POST', '/api/v1/scan/start', { config })).status).toBe(202);
  await vi.waitFor(async () => {
    const { body } = await ask('GET', `/api/v1/scan/${scanId}/status`);
    expect(body).toMatchObject({ status: 'completed' });
  }, LONG);
}

/** The addresses that the tenant's sent items name, with how many mails each. */
function truth(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { message } of stage.simulator.control.truth.messages({ folder: 'sentitems' })) {
    const members = ['toRecipients', 'ccRecipients', 'bccRecipients'].flatMap((name) => message[name] as never[]);
    const addresses = members.map(({ emailAddress: { address } }: never) => String(address).toLowerCase());
    for (const address of new Set(addresses.filter((each) => /^[^/@]+@[^@]+\.[^@]+$/.test(each)))) {
      counts.set(address, (counts.get(address) ?? 0) + 1);
    }
  }
  return counts;
}

async function startSync(body: object = {}): Promise<string> {
  const started = await ask('POST', `${PATH}/sync`, body);
  expect(started.status).toBe(202);
  return textOf(started.body['sync']!['syncId']);
}

const ended = (syncId: string): Promise<Body> =>
  vi.waitFor(async () => {
    const { body } = await ask('GET', `${PATH}/sync/${syncId}`);
    expect(['completed', 'failed']).toContain(body['sync']?.['status']);
    return body;
  }, LONG);

async function eventsOf(syncId: string, headers: Record<string, string> = {}) {
  const { body, headers: answered } = await stage.call('GET', `${PATH}/sync/${syncId}/events`, { key, headers });
  expect(answered.get('content-type')).toContain('text/event-stream');
  return [...textOf(body['text']).matchAll(/event: (\w+)\nid: (\d+)\ndata: (.*)\n\n/g)].map(([, event, id, data]) => ({
    event,
    id: Number(id),
    data: JSON.parse(data ?? '') as Record<string, unknown>,
  }));
}

describe('contacts, over the API, with the real worker, the simulator and an Airtable', () => {
  it('are counted from what was scanned, and brought to Airtable with everything that has changed since', async () => {
    await scan();
    const expected = truth();
    expect(expected.size).toBeGreaterThan(5);
    const listed = await ask('GET', `${PATH}?limit=1000`);
    expect(listed.body).toMatchObject({ complete: true, pagination: { total: expected.size, hasMore: false } });
    const contacts = listOf(listed.body['contacts']);
    expect(new Map(contacts.map((each) => [textOf(each['address']), Number(each['totalMailsSent'])]))).toEqual(
      expected,
    );

    expect((await set()).status).toBe(200);
    const dry = await ended(await startSync({ dryRun: true }));
    expect(dry).toMatchObject({
      sync: { status: 'completed', dryRun: true, counts: { added: expected.size, writes: 0 } },
    });
    expect(listOf(dry['differences'])).toHaveLength(expected.size);
    expect(airtable.records).toEqual([]);

    const syncId = await startSync();
    const events = await eventsOf(syncId);
    expect(events.at(-1)).toMatchObject({
      event: 'end',
      data: { phase: 'completed', syncId, counts: { added: expected.size, changed: 0 } },
    });
    expect(events.map(({ id }) => id)).toEqual(events.map((_, n) => n + 1));
    expect(new Set(events.map(({ data }) => data['phase']))).toContain('reading');
    expect(await eventsOf(syncId, { 'Last-Event-ID': String(events.length - 1) })).toEqual(events.slice(-1));
    expect(new Map(airtable.records.map(({ fields }) => [fields['Email'], fields['Total Mails Sent']]))).toEqual(
      expected,
    );

    const [mailbox] = stage.simulator.control.truth.mailboxes();
    const place = { mailbox: mailbox!.id, folder: 'sentitems' };
    const toRecipients = [{ emailAddress: { name: 'New', address: 'Brand.New@quay.example' } }];
    const { id } = stage.simulator.control.addMessage(place, { toRecipients });
    await scan('incremental');
    const second = await ended(await startSync());
    expect(second).toMatchObject({ sync: { counts: { added: 1, changed: 0, unchanged: expected.size, writes: 1 } } });
    expect(airtable.records.at(-1)?.fields).toMatchObject({ Email: 'brand.new@quay.example', Domain: 'quay.example' });
    stage.simulator.control.removeMessage({ mailbox: mailbox!.id, id });

    const { syncs } = (await ask('GET', `${PATH}/sync`)).body;
    expect(listOf(syncs).map((sync) => textOf(sync['startedBy']))).toEqual(['call', 'call', 'call']);
    expect(stage.lines.concat(stage.worker.lines).join('\n')).not.toContain('brand.new');
    const audited = await query<{ action: string }>(stage.db, {
      text: `SELECT action FROM outhaul.audit_log WHERE organization_id = $1 AND action LIKE 'contacts.%' ORDER BY 1`,
      values: [organizationId],
    });
    expect(audited.map(({ action }) => action)).toEqual([
      'contacts.set',
      'contacts.sync',
      'contacts.sync',
      'contacts.sync',
    ]);
  });

  it('wake the workflow when sent mail has changed, once somebody wants them counted', async () => {
    await scan();
    const started = () => stage.temporal.workflow.getHandle(contactsWorkflowId(organizationId)).describe();
    await expect(started()).rejects.toThrow();
    await ask('GET', PATH);
    const [mailbox] = stage.simulator.control.truth.mailboxes();
    const toRecipients = [{ emailAddress: { name: 'One more', address: 'one.more@quay.example' } }];
    stage.simulator.control.addMessage({ mailbox: mailbox!.id, folder: 'sentitems' }, { toRecipients });
    await scan('incremental');
    const { status, typedSearchAttributes } = await vi.waitFor(started, LONG);
    expect(status.name).toBe('RUNNING');
    expect(typedSearchAttributes.get(organizationIdKey)).toBe(organizationId);
  });

  it('are synced by a Schedule', async () => {
    expect((await set({ everySeconds: 3600 })).status).toBe(200);
    const handle = stage.temporal.schedule.getHandle(contactsWorkflowId(organizationId));
    await handle.trigger();
    await vi.waitFor(async () => {
      const { syncs } = (await ask('GET', `${PATH}/sync`)).body;
      expect(listOf(syncs)).toMatchObject([{ startedBy: 'schedule', status: 'completed' }]);
    }, LONG);
    await set({ everySeconds: 7200 });
    const { namespace } = stage.temporal.options;
    const { scheduleId } = handle;
    const describe = () => stage.temporal.workflowService.describeSchedule({ namespace, scheduleId });
    const { schedule } = await describe();
    expect(schedule?.spec?.interval?.map(({ interval }) => Number(interval?.seconds))).toEqual([7200]);
    await set({ everySeconds: null });
    await expect(describe()).rejects.toThrow();
  });

  it('go to one table after the other, as syncs of other organizations use the base', async () => {
    await set();
    await query(stage.db, {
      text: `INSERT INTO outhaul.airtable_claims VALUES ($1, 'other', now() + interval '1 hour')
        ON CONFLICT (base_id) DO UPDATE SET claim_token = 'other', claim_ends_at = now() + interval '1 hour'`,
      values: [airtable.baseId],
    });
    const syncId = await startSync();
    const waiting = {
      text: `SELECT 1 AS one FROM outhaul.contact_sync_events JOIN outhaul.contact_syncs USING (sync_no)
        WHERE sync_id = $1 AND event ->> 'phase' = 'waiting'`,
      values: [syncId],
    };
    await vi.waitFor(async () => expect(await query(stage.db, waiting)).toHaveLength(1), LONG);
    await query(stage.db, { text: `UPDATE outhaul.airtable_claims SET claim_ends_at = now()` });
    expect(await ended(syncId)).toMatchObject({ sync: { status: 'completed' } });
  });
});

describe('settings', () => {
  it('have defaults, keep the token to themselves, and are forgotten', async () => {
    const none = {
      airtable: null,
      source: 'none',
      mailboxes: null,
      onChange: true,
      everySeconds: null,
      changedAt: null,
    };
    expect((await ask('GET', `${PATH}/settings`)).body['settings']).toMatchObject(none);
    const saved = await set({ columns: { email: 'E-Mail' }, mailboxes: ['sales@contoso.example'], onChange: false });
    const { apiKey, ...table } = base();
    const columns = { email: 'E-Mail', domain: 'Domain', totalMailsSent: 'Total Mails Sent' };
    expect(saved.body['settings']).toMatchObject({ airtable: table, source: 'settings', columns, onChange: false });
    expect(JSON.stringify(saved.body)).not.toContain(apiKey);
    const renamed = await ask('PUT', `${PATH}/settings`, { airtable: { ...table, tableName: 'Others' } });
    expect(renamed.body['settings']).toMatchObject({
      airtable: { tableName: 'Others' },
      mailboxes: null,
      onChange: true,
    });
    expect((await ask('DELETE', `${PATH}/settings`)).status).toBe(200);
    expect((await ask('GET', `${PATH}/settings`)).body['settings']).toMatchObject(none);
    const rows = await query(stage.db, {
      text: 'SELECT 1 AS one FROM outhaul.contact_settings WHERE organization_id = $1',
      values: [organizationId],
    });
    expect(rows).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['no token at first', { airtable: { baseId: 'appTestBase000001', tableName: 'T' } }, 'airtable.apiKey: is needed'],
    ['a base that is none', { airtable: { apiKey: 'k', baseId: 'base', tableName: 'T' } }, 'must be the id of a base'],
    [
      'a table that is a path',
      { airtable: { apiKey: 'k', baseId: 'appTestBase000001', tableName: '..' } },
      'must be the name or id',
    ],
    ['one column twice', { columns: { email: 'Domain' } }, 'columns: must be four different columns'],
    ['no mailbox', { mailboxes: [] }, 'mailboxes: must name at least one mailbox; null is all'],
    ['too often', { everySeconds: 1 }, 'everySeconds: must be at least 60'],
    ['a field that is none', { every: 60 }, 'every: is not a known field'],
  ])('refuse %s', async (_, body, words) => {
    const { status, body: answer } = await ask('PUT', `${PATH}/settings`, body);
    expect([status, textOf(answer['message'])]).toEqual([400, expect.stringContaining(words)]);
  });
});

describe('what goes wrong', () => {
  it('without a table there is nothing to sync with', async () => {
    const { status, body } = await ask('POST', `${PATH}/sync`);
    expect([status, textOf(body['message'])]).toEqual([409, expect.stringContaining('There is no Airtable table')]);
  });

  it('a sync that Airtable refuses has failed, in words, and the next one runs', async () => {
    await set({ airtable: { ...base(), apiKey: 'patOther' } });
    const { sync } = await ended(await startSync());
    expect(sync).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('does not accept the API key') as never,
    });
    const events = await eventsOf(textOf(sync!['syncId']));
    expect(events.at(-1)).toMatchObject({ event: 'end', data: { phase: 'failed' } });
    await set();
    expect(await ended(await startSync())).toMatchObject({ sync: { status: 'completed', reason: null } });
  });

  it('where none of the mailboxes is stored nothing is compared', async () => {
    await set({ mailboxes: ['nobody@nowhere.example'] });
    const { sync } = await ended(await startSync());
    expect(sync).toMatchObject({ status: 'failed', reason: expect.stringContaining('None of the mailboxes') as never });
  });

  it('an unknown sync, or one of another organization, is not found', async () => {
    await set();
    const syncId = await startSync();
    const other = await stage.keyOf(stage.organization('other'));
    expect((await ask('GET', `${PATH}/sync/${randomUUID()}`)).status).toBe(404);
    expect((await ask('GET', `${PATH}/sync/nonsense`)).status).toBe(400);
    for (const path of [`${PATH}/sync/${syncId}`, `${PATH}/sync/${syncId}/events`]) {
      expect((await stage.call('GET', path, { key: other })).status).toBe(404);
    }
    await ended(syncId);
  });
});
