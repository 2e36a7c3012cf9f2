import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ensureOrganization } from '../../store/organizations.ts';
import { quarantineMessages } from '../../store/quarantine.ts';
import { acquireLease } from '../../store/leases.ts';
import { seedScan, type SeededScan } from './support/seed.ts';
import { listOf, openApiStage, textOf, type ApiStage, type Body } from './support/stage.ts';
import { openTenantStage, type TenantStage } from './support/tenant-stage.ts';

const ids = (body: Body): string[] => listOf(body['messages']).map((entry) => textOf(entry['messageId']));

describe('the quarantine, over the API', () => {
  let stage: ApiStage;
  let seeded: SeededScan;
  let key: string;
  beforeAll(async () => {
    stage = await openApiStage();
    const organizationId = stage.organization();
    seeded = await seedScan(stage.db, { organizationId, scanId: 'seeded', mailboxes: 2, messages: 3 });
    key = await stage.keyOf(organizationId);
    const organization = await ensureOrganization(stage.db, organizationId);
    const [mailboxId = ''] = seeded.mailboxIds;
    const leaseToken = randomUUID();
    await stage.db.pool.query(`UPDATE ${organization.schema}.mailboxes SET _lease_ends_at = now()`);
    await acquireLease(stage.db, organization, { mailboxId, token: leaseToken, seconds: 60 });
    const causes = ['ErrorCorruptData', 'ErrorCorruptData', 'Timeout'];
    await quarantineMessages(stage.db, organization, {
      mailboxId,
      leaseToken,
      folder: { id: `inbox-${mailboxId}` },
      scanNo: seeded.scanNo,
      messages: causes.map((cause, index) => ({
        id: `bad-${index}`,
        cause,
        httpStatus: 500,
        requestId: 'a-request',
        unreadable: ['body'],
        stored: index === 0,
      })),
    });
  });
  afterAll(() => stage.close());

  const list = (query = '', as = key) => stage.call('GET', `/api/v1/quarantine${query}`, { key: as });
  const retry = (body: object, as = key, query = '') =>
    stage.call('POST', `/api/v1/quarantine/retry${query}`, { key: as, body });

  it('is listed with causes and request ids', async () => {
    const { status, body } = await list();
    expect(status).toBe(200);
    expect(listOf(body['messages'])).toHaveLength(3);
    expect(listOf(body['messages'])[0]).toMatchObject({
      organizationId: seeded.organizationId,
      mailboxId: seeded.mailboxIds[0],
      messageId: 'bad-0',
      cause: 'ErrorCorruptData',
      httpStatus: 500,
      requestId: 'a-request',
      unreadable: ['body'],
      stored: true,
      firstScanId: 'seeded',
      attempts: 1,
      retryRequestedAt: null,
    });
  });

  it.each([
    ['messageId=bad-1', ['bad-1']],
    ['cause=Timeout', ['bad-2']],
    ['scanId=seeded&cause=ErrorCorruptData', ['bad-0', 'bad-1']],
    ['mailboxId=another', []],
    ['state=resolved', []],
  ])('is listed by %s', async (query, expected) => {
    expect(ids((await list(`?${query}`)).body)).toEqual(expected);
  });

  it('is listed page by page', async () => {
    const first = (await list('?limit=2')).body;
    expect(ids(first)).toEqual(['bad-0', 'bad-1']);
    const { hasMore, nextCursor } = first['pagination'] as Body;
    expect(hasMore).toBe(true);
    const second = (await list(`?limit=2&cursor=${textOf(nextCursor)}`)).body;
    expect(ids(second)).toEqual(['bad-2']);
    expect(second['pagination']).toMatchObject({ hasMore: false, nextCursor: null });
  });

  it("is one organization's: another's key sees nothing of it and can ask for nothing", async () => {
    const other = stage.organization('other');
    const otherKey = await stage.keyOf(other);
    expect(ids((await list('', otherKey)).body)).toEqual([]);
    expect((await list(`?organizationId=${seeded.organizationId}`, otherKey)).status).toBe(404);
    expect((await list('?scanId=seeded', otherKey)).status).toBe(404);
    expect((await retry({ all: true }, otherKey)).body).toMatchObject({ messages: 0 });
    expect((await retry({ scanId: 'seeded' }, otherKey)).status).toBe(404);
    expect(ids((await list('', stage.adminKey)).body)).toHaveLength(3);
  });

  it('asks an administrator whose messages are meant, where that is open', async () => {
    const { status, body } = await retry({ cause: 'Timeout' }, stage.adminKey);
    expect(status).toBe(400);
    expect(textOf(body['message'])).toMatch(/organizationId: there are several organizations/);
    const named = await retry({ cause: 'Timeout' }, stage.adminKey, `?organizationId=${seeded.organizationId}`);
    expect(named.body).toMatchObject({ messages: 1, mailboxes: 1 });
    expect((await retry({ scanId: 'seeded', cause: 'Nothing' }, stage.adminKey)).body).toMatchObject({ messages: 0 });
  });

  it('marks what is to be tried again until it has been', async () => {
    const { status, body } = await retry({ messageId: 'bad-0' });
    expect(status).toBe(202);
    expect(body).toMatchObject({ organizationId: seeded.organizationId, messages: 1, mailboxes: 1 });
    const [entry] = listOf((await list('?messageId=bad-0')).body['messages']);
    expect(textOf(entry?.['retryRequestedAt'])).toMatch(/^\d{4}-/);
  });

  it.each([
    [{}, /say what to try again: messageId, mailboxId, cause, scanId, or all: true/],
    [{ all: false }, /all: must be true/],
    [{ message: 'bad-0' }, /message: is not a known field/],
    [{ scanId: "x'; DROP TABLE quarantine; --" }, /scanId: must be 1 to 100/],
    [{ cause: 7 }, /cause/],
    [{ messageId: '' }, /messageId: must not be empty/],
  ])('refuses the request %j', async (body, message) => {
    const answer = await retry(body);
    expect(answer.status).toBe(400);
    expect(textOf(answer.body['message'])).toMatch(message);
  });

  it.each([
    ['limit=0', /limit: must be between 1 and 1000/],
    ['state=lost', /state: must be open or resolved/],
    ['cursor=bWFpbGJveGVzOjE', /cursor/],
    [`messageId=${encodeURIComponent('\u0000')}`, /messageId: must not contain control characters/],
  ])('refuses the query %s', async (query, message) => {
    const answer = await list(`?${query}`);
    expect(answer.status).toBe(400);
    expect(textOf(answer.body['message'])).toMatch(message);
  });

  it('does not know the scan of nobody', async () => {
    expect((await list('?scanId=never')).status).toBe(404);
    expect((await retry({ scanId: 'never' })).status).toBe(404);
  });
});

describe('a message in quarantine, with the real worker and the simulator', () => {
  let stage: TenantStage;
  beforeAll(async () => {
    stage = await openTenantStage({ mailboxes: 2, messagesPerMailbox: 30, folders: 1 });
  });
  afterEach(() => stage.heal());
  afterAll(() => stage?.close());

  it('makes its scan one with errors, and is stored when it is tried again and has healed', async () => {
    const organizationId = stage.organization();
    const { control } = stage.simulator;
    const mailbox = control.truth.mailboxes()[0]?.id ?? '';
    const inbox = control.truth.page({ mailbox, folder: 'inbox', limit: 100 }).value;
    const bad = inbox[5]?.message['id'] as string;
    control.addFault({ mailbox, message: bad, effect: { type: 'poison', members: ['body', 'toRecipients'] } });
    const { auth } = stage;
    const config = { scanId: 'poison', organizationId, type: ['email'], auth, filters: { folders: ['inbox'] } };
    expect((await stage.call('POST', '/api/v1/scan/start', { body: { config } })).status).toBe(202);
    const query = `organizationId=${organizationId}`;
    const state = async () => (await stage.call('GET', `/api/v1/scan/poison/status?${query}`)).body;
    await expect.poll(state, { timeout: 50_000 }).toMatchObject({
      status: 'completed_with_errors',
      errorMessage: expect.stringContaining('messages in quarantine: 1') as string,
    });
    const list = async (more = '') => (await stage.call('GET', `/api/v1/quarantine?${query}${more}`)).body;
    const [entry] = listOf((await list())['messages']);
    expect(entry).toMatchObject({ messageId: bad, unreadable: ['body', 'toRecipients'], firstScanId: 'poison' });

    control.clearFaults();
    const retried = await stage.call('POST', `/api/v1/quarantine/retry?${query}`, { body: { scanId: 'poison' } });
    expect(retried.body).toMatchObject({ messages: 1, mailboxes: 1 });
    await expect.poll(async () => listOf((await list())['messages']), { timeout: 30_000 }).toEqual([]);
    const [resolved] = listOf((await list('&state=resolved'))['messages']);
    expect(resolved).toMatchObject({ messageId: bad, resolution: 'stored' });
  });
});
