import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { withDefaults } from '../../model/destination.ts';
import { deliverWorkflowId } from '../../model/ids.ts';
import { createDestination, type Destination } from '../../store/destinations.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { seedScan } from './support/seed.ts';
import { listOf, openApiStage, textOf, type ApiStage, type Body, type TestAnswer } from './support/stage.ts';

const PATH = '/api/v1/dead-letters';
const MESSAGES = 6;

describe('dead letters, over the API', () => {
  let stage: ApiStage;
  let connection: Connection;
  let temporal: Client;
  let organizationId: string;
  let key: string;
  let one: Destination;
  let other: Destination;
  beforeAll(async () => {
    stage = await openApiStage();
    connection = await Connection.connect({ address: inject('temporalAddress') });
    temporal = new Client({ connection, namespace: inject('temporalNamespace') });
  });
  /** One destination has four dead letters of two causes, the other one; one delivery was answered with an error. */
  beforeEach(async () => {
    organizationId = stage.organization('dead');
    await seedScan(stage.db, { organizationId, scanId: 'seeded', mailboxes: 1, messages: MESSAGES });
    key = await stage.keyOf(organizationId);
    [one, other] = [await makeDestination('one'), await makeDestination('other')];
    await bury(one, 4, { cause: 'rejected', http: 400 });
    await stage.db.pool.query(
      `UPDATE outhaul.deliveries SET cause = 'too_large', http_status = 413 WHERE delivery_no = (SELECT min(delivery_no)
        FROM outhaul.deliveries WHERE organization_id = $1)`,
      [organizationId],
    );
    await bury(other, 1, { cause: 'rejected', http: 422 });
    await bury(other, 1, { status: 'delivered', answer: 'no such customer' });
  });
  afterAll(async () => {
    await Promise.all([stage?.close(), connection?.close()]);
  });

  const makeDestination = async (name: string): Promise<Destination> =>
    createDestination(stage.db, await ensureOrganization(stage.db, organizationId), {
      ...{ name, starts: 'now', kind: 'utility' },
      settings: withDefaults('utility', { endpoint: 'https://utility.example' }),
    });
  async function bury(
    { destinationNo }: Destination,
    count: number,
    row: { status?: 'dead' | 'delivered'; cause?: string; http?: number; answer?: string },
  ): Promise<void> {
    const { schema } = await ensureOrganization(stage.db, organizationId);
    const { status = 'dead', cause = null, http = null, answer = null } = row;
    await stage.db.pool.query(
      `INSERT INTO outhaul.deliveries (destination_no, organization_id, mailbox_no, email_no, ordered, status, priority,
          attempts, cause, http_status, last_error, answer, dead_at, delivered_at)
        SELECT $1, $2, _mailbox_no, _no, false, $3, 1, 1, $4, $5, 'It answered', $6,
          CASE $3 WHEN 'dead' THEN now() END, CASE $3 WHEN 'delivered' THEN now() END
        FROM ${schema}.emails WHERE _no NOT IN (SELECT email_no FROM outhaul.deliveries WHERE destination_no = $1)
        ORDER BY _no LIMIT $7`,
      [destinationNo, organizationId, status, cause, http, answer, count],
    );
  }
  const ask = (method: string, path: string, body?: object): Promise<TestAnswer> =>
    stage.call(method, path, { key, ...(body && { body }) });
  const letters = async (query = ''): Promise<readonly Body[]> =>
    listOf((await ask('GET', `${PATH}${query}`)).body['letters']);
  const audited = async (): Promise<unknown[]> => {
    const { rows } = await stage.db.pool.query(
      'SELECT action, details FROM outhaul.audit_log WHERE organization_id = $1 ORDER BY entry_no',
      [organizationId],
    );
    return (rows as { action: string }[]).filter(({ action }) => action.startsWith('dead-letter.'));
  };
  const isRunning = async ({ id }: Destination): Promise<boolean> => {
    const { status } = await temporal.workflow.getHandle(deliverWorkflowId(id)).describe();
    return status.name === 'RUNNING';
  };
  const stop = ({ id }: Destination) => temporal.workflow.getHandle(deliverWorkflowId(id)).terminate();

  it('are listed page by page, with their cause and what was answered', async () => {
    const { status, body } = await ask('GET', `${PATH}?limit=3`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ organizationId, pagination: { limit: 3, hasMore: true } });
    expect(listOf(body['letters'])[0]).toMatchObject({
      ...{ destinationId: one.id, destinationName: 'one', attachmentId: null, attempts: 1, replays: 0 },
      ...{ cause: 'too_large', error: 'It answered', httpStatus: 413, answer: null },
    });
    const cursor = encodeURIComponent(textOf(body['pagination']?.['nextCursor']));
    const rest = await ask('GET', `${PATH}?limit=3&cursor=${cursor}`);
    expect(listOf(rest.body['letters'])).toHaveLength(2);
    expect(rest.body['pagination']).toEqual({ limit: 3, hasMore: false, nextCursor: null });
  });

  it('are chosen by destination, by cause, and by what was answered with an error', async () => {
    expect(await letters(`?destination=${one.id}`)).toHaveLength(4);
    expect(await letters('?cause=rejected')).toHaveLength(4);
    expect(await letters(`?destination=${one.id}&cause=rejected`)).toHaveLength(3);
    const answered = await letters('?answered=true');
    expect(answered).toMatchObject([{ destinationId: other.id, answer: 'no such customer', cause: null }]);
  });

  it('are counted by destination and cause', async () => {
    const { body } = await ask('GET', `${PATH}/causes`);
    expect(body).toEqual({
      ...{ success: true, organizationId },
      causes: [
        { destinationId: one.id, destinationName: 'one', cause: 'rejected', letters: 3 },
        { destinationId: one.id, destinationName: 'one', cause: 'too_large', letters: 1 },
        { destinationId: other.id, destinationName: 'other', cause: 'rejected', letters: 1 },
      ],
    });
  });

  it('are shown one by one', async () => {
    for (const letter of [...(await letters('?limit=1')), ...(await letters('?answered=true'))]) {
      const { status, body } = await ask('GET', `${PATH}/${textOf(letter['deliveryNo'])}`);
      expect(status).toBe(200);
      expect(body).toEqual({ success: true, letter });
    }
    const { status, body } = await ask('GET', `${PATH}/999999999`);
    expect(status).toBe(404);
    expect(textOf(body['message'])).toMatch(/may have been retried or dropped/);
  });

  it('are retried one by one, by cause, by destination or all, and their destinations are woken', async () => {
    const [first] = await letters();
    const retry = async (body: object) => (await ask('POST', `${PATH}/retry`, body)).body;
    const { status, body } = await ask('POST', `${PATH}/retry`, { ids: [first?.['deliveryNo']] });
    expect(status).toBe(202);
    expect(body).toMatchObject({ organizationId, letters: 1, destinations: 1 });
    expect(await isRunning(one)).toBe(true);
    expect(await retry({ cause: 'rejected', destination: one.id })).toMatchObject({ letters: 3, destinations: 1 });
    expect(await retry({ all: true })).toMatchObject({ letters: 1, destinations: 1 });
    expect(await isRunning(other)).toBe(true);
    expect(await letters()).toEqual([]);
    expect(await retry({ all: true })).toMatchObject({ letters: 0, destinations: 0 });
    expect(await retry({ all: true, answered: true })).toMatchObject({ letters: 1 });
    expect(await letters('?answered=true')).toEqual([]);
    expect(await audited()).toMatchObject([
      { action: 'dead-letter.retry', details: { letters: 1, answered: false, ids: [first?.['deliveryNo']] } },
      { details: { letters: 3, cause: 'rejected', destination: one.id } },
      { details: { letters: 1 } },
      { details: { letters: 0 } },
      { details: { letters: 1, answered: true } },
    ]);
    await Promise.all([stop(one), stop(other)]);
  });

  it('are dropped, and only they', async () => {
    const { status, body } = await ask('POST', `${PATH}/drop`, { cause: 'too_large' });
    expect(status).toBe(200);
    expect(body).toMatchObject({ organizationId, letters: 1, message: '1 dead letter is dropped' });
    expect((await ask('POST', `${PATH}/drop`, { all: true })).body).toMatchObject({ letters: 4 });
    expect(await letters()).toEqual([]);
    expect(await letters('?answered=true')).toHaveLength(1);
    expect(await audited()).toMatchObject([
      { action: 'dead-letter.drop', details: { letters: 1, cause: 'too_large' } },
      { action: 'dead-letter.drop', details: { letters: 4 } },
    ]);
  });

  it('are seen by their organization alone', async () => {
    const strange = stage.organization('stranger');
    const stranger = await stage.keyOf(strange);
    const call = (method: string, path: string, body?: object) => stage.call(method, path, { key: stranger, body });
    const [first] = await letters();
    const id = first?.['deliveryNo'];
    expect((await call('GET', PATH)).body).toMatchObject({ organizationId: strange, letters: [] });
    expect((await call('GET', `${PATH}/causes`)).body).toMatchObject({ causes: [] });
    for (const [method, path, body] of [
      ['GET', `${PATH}/${textOf(id)}`],
      ['GET', `${PATH}?destination=${one.id}`],
      ['GET', `${PATH}?organizationId=${organizationId}`],
      ['POST', `${PATH}/retry`, { destination: one.id }],
      ['POST', `${PATH}/drop`, { destination: one.id }],
      ['POST', `${PATH}/drop?organizationId=${organizationId}`, { all: true }],
    ] as const) {
      expect((await call(method, path, body)).status, `${method} ${path}`).toBe(404);
    }
    expect((await call('POST', `${PATH}/drop`, { ids: [id] })).body).toMatchObject({ letters: 0 });
    expect((await call('POST', `${PATH}/retry`, { ids: [id] })).body).toMatchObject({ letters: 0 });
    expect(await letters()).toHaveLength(5);
  });

  it('of several organizations need one named, by an administrator; a destination names it', async () => {
    await ensureOrganization(stage.db, stage.organization('second'));
    expect((await stage.call('GET', PATH)).status).toBe(400);
    const named = await stage.call('GET', `${PATH}?organizationId=${organizationId}`);
    expect(listOf(named.body['letters'])).toHaveLength(5);
    const found = await stage.call('GET', `${PATH}?destination=${other.id}`);
    expect(found.body).toMatchObject({ organizationId });
    const mixed = await stage.call('GET', `${PATH}?destination=${other.id}&organizationId=${stage.organization()}`);
    expect(mixed.status).toBe(404);
  });

  it.each([
    ['nothing', {}, /say which: ids, destination, cause, or all: true/],
    ['no ids', { ids: [] }, /ids: must name at least one/],
    ['an id that is none', { ids: [0] }, /ids\.0: must be the number of a delivery/],
    ['all and some', { all: true, cause: 'rejected' }, /all: does not go with/],
    ['a destination that is none', { destination: 'invoices' }, /destination: must be the id of a destination/],
    ['a field that there is not', { all: true, force: true }, /force: is not a known field/],
  ])('are neither retried nor dropped by %s', async (_name, body, message) => {
    for (const action of ['retry', 'drop']) {
      const answer = await ask('POST', `${PATH}/${action}`, body);
      expect(answer.status).toBe(400);
      expect(textOf(answer.body['message'])).toMatch(message);
    }
  });

  it.each([
    ['?cursor=odd', /cursor/],
    ['?limit=0', /limit: must be between 1 and 1000/],
    ['?answered=perhaps', /answered: must be true or false/],
    ['?destination=x', /destination: must be the id/],
    ['/none', /id: must be a whole number/],
  ])('are not listed at %s', async (query, message) => {
    const { status, body } = await ask('GET', `${PATH}${query}`);
    expect(status).toBe(400);
    expect(textOf(body['message'])).toMatch(message);
  });
});
