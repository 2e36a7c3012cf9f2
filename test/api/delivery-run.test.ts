import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startReceiver, type Received, type Receiver } from '../destinations/support/receiver.ts';
import { listOf, textOf, type Body, type TestAnswer } from './support/stage.ts';
import { openTenantStage, type TenantStage } from './support/tenant-stage.ts';

const LONG = { timeout: 100_000, interval: 100 };
const DESTINATIONS = '/api/v1/destinations';
const TENANT = {
  ...{ mailboxes: 2, messagesPerMailbox: 12, folders: 2, oddMessages: false },
  attachments: { share: 0.3, most: 2, bytes: 3_000 },
};
const WINDOW = { since: '2000-01-01', until: '2100-01-01' };

interface Delivered {
  readonly id: string;
  readonly key: string;
}

describe('mail handed on to a utility, by the API, with the real worker and the simulator', () => {
  let stage: TenantStage;
  let blobs: string;
  let receiver: Receiver;
  let organizationId: string;
  let key: string;
  beforeAll(async () => {
    blobs = await mkdtemp(join(tmpdir(), 'outhaul-delivery-run-'));
    stage = await openTenantStage(TENANT, { OUTHAUL_BLOBS_DIR: blobs });
  });
  beforeEach(async () => {
    receiver = await startReceiver();
    organizationId = stage.organization('handed-on');
    key = await stage.keyOf(organizationId);
    const connected = await ask('POST', '/api/v1/connections', { auth: stage.auth });
    expect(connected.status).toBe(201);
  });
  afterEach(async () => {
    await stage.heal();
    for (const { id } of await destinations()) await ask('DELETE', `${DESTINATIONS}/${id}?drop=true`);
    await receiver.close();
  });
  afterAll(async () => {
    await stage?.close();
    await rm(blobs, { recursive: true, force: true });
  });

  const ask = (method: string, path: string, body?: object): Promise<TestAnswer> =>
    stage.call(method, path, { key, ...(body && { body }) });
  const destinations = async (): Promise<{ id: string }[]> =>
    listOf((await ask('GET', DESTINATIONS)).body['destinations']).map((one) => ({ id: textOf(one['id']) }));
  /** Made by an administrator, for the receiver is on this machine. */
  async function create(over: object = {}): Promise<string> {
    const settings = { endpoint: receiver.url, allowPrivate: true };
    const body = { organizationId, name: 'utility', kind: 'utility', settings, secret: { token: 'a-token' }, ...over };
    const made = await stage.call('POST', DESTINATIONS, { body });
    expect(made.status).toBe(201);
    return textOf(made.body['destination']?.['id']);
  }
  const show = async (id: string): Promise<Body> => (await ask('GET', `${DESTINATIONS}/${id}`)).body['destination']!;
  async function scan(scanId: string): Promise<void> {
    const config = { scanId, organizationId, filters: { folders: ['all'] } };
    const started = await ask('POST', '/api/v1/scan/start', { config });
    expect(started.status).toBe(202);
    await vi.waitFor(async () => {
      const { body } = await ask('GET', `/api/v1/scan/${scanId}/status`);
      expect(body['status']).toBe('completed');
    }, LONG);
  }
  const stored = async (): Promise<string[]> => {
    const { body } = await ask('GET', `/api/v1/results/first/data?tableName=emails&limit=1000`);
    const mail = listOf(body['data']?.['records']).filter((row) => (row['is_draft'] as unknown) !== true);
    return mail.map((row) => textOf(row['id']));
  };
  const processed = (): Received[] => receiver.received.filter(({ url }) => url === '/process');
  const delivered = (): Delivered[] =>
    processed().map(({ body, headers }) => ({
      id: textOf((JSON.parse(body) as Body)['message_id']),
      key: String(headers['idempotency-key']),
    }));
  const ids = (): string[] => delivered().map(({ id }) => id);
  const isDone = (id: string, figures: object) =>
    vi.waitFor(async () => {
      expect(await show(id)).toMatchObject({ waiting: 0, owed: 0, sending: 0, ...figures });
    }, LONG);

  it('arrives once each, signed and with its token, and the figures say so', { timeout: 150_000 }, async () => {
    const id = await create();
    await scan('first');
    const messages = await stored();
    expect(messages.length).toBeGreaterThan(20);
    await isDone(id, { delivered: messages.length, dead: 0, circuit: { state: 'closed' } });
    expect(ids().sort()).toEqual([...messages].sort());
    for (const { headers } of processed()) {
      expect(headers.authorization).toBe('Bearer a-token');
      expect(headers['webhook-signature']).toMatch(/^v1,/);
    }
    expect(new Set(delivered().map((one) => one.key)).size).toBe(messages.length);
  });

  it('lies in the dead letters where it is refused, and arrives once it is retried', { timeout: 150_000 }, async () => {
    const id = await create();
    receiver.answer = (response, { url }) => void response.writeHead(url === '/process' ? 422 : 200).end();
    await scan('first');
    const messages = await stored();
    await isDone(id, { delivered: 0, dead: messages.length });
    expect(ids().sort(), 'a 4xx is tried once').toEqual([...messages].sort());
    const { body } = await ask('GET', '/api/v1/dead-letters/causes');
    expect(listOf(body['causes'])).toMatchObject([{ destinationId: id, cause: 'rejected', letters: messages.length }]);
    const refused = delivered();
    receiver.received.length = 0;
    receiver.answer = (response) => void response.writeHead(200).end('{"status": "success"}');
    const retried = await ask('POST', '/api/v1/dead-letters/retry', { destination: id });
    expect(retried.body).toMatchObject({ letters: messages.length });
    await isDone(id, { delivered: messages.length, dead: 0 });
    const byId = (one: Delivered, other: Delivered): number => one.id.localeCompare(other.id);
    expect(delivered().sort(byId), 'with the idempotency keys that they had').toEqual(refused.sort(byId));
  });

  it('is owed to one that is paused, and arrives when it is resumed', { timeout: 150_000 }, async () => {
    const id = await create();
    expect((await ask('POST', `${DESTINATIONS}/${id}/pause`)).status).toBe(200);
    await scan('first');
    const messages = await stored();
    await vi.waitFor(async () => {
      expect(await show(id)).toMatchObject({ waiting: 0, owed: messages.length, delivered: 0 });
    }, LONG);
    expect(processed()).toEqual([]);
    expect((await ask('POST', `${DESTINATIONS}/${id}/resume`)).status).toBe(200);
    await isDone(id, { delivered: messages.length });
    expect(ids().sort()).toEqual([...messages].sort());
  });

  it(
    'of a time is sent once more, under other idempotency keys, without asking Graph',
    { timeout: 150_000 },
    async () => {
      const id = await create();
      await scan('first');
      const messages = await stored();
      await isDone(id, { delivered: messages.length });
      const before = delivered();
      const asked = stage.simulator.control.stats().byKind;
      const replayed = await ask('POST', `${DESTINATIONS}/${id}/replay`, WINDOW);
      expect(replayed.status).toBe(202);
      await vi.waitFor(() => expect(delivered()).toHaveLength(2 * messages.length), LONG);
      const again = delivered().slice(before.length);
      expect(again.map((one) => one.id).sort()).toEqual([...messages].sort());
      const keys = new Set(before.map((one) => one.key));
      expect(again.filter((one) => keys.has(one.key))).toEqual([]);
      expect(stage.simulator.control.stats().byKind).toEqual(asked);
      await isDone(id, { dead: 0 });
    },
  );

  it('that is stored already is fed to a new one, without asking Graph', { timeout: 150_000 }, async () => {
    // For another one the attachments have been read already.
    const first = await create({ name: 'first' });
    await scan('first');
    const messages = await stored();
    await isDone(first, { delivered: messages.length });
    receiver.received.length = 0;
    const asked = stage.simulator.control.stats().byKind;
    await stage.stopWorker();
    const id = await create({ starts: 'stored' });
    // As if it were old enough for every worker to know it.
    await stage.db.pool.query(
      `UPDATE outhaul.destinations SET created_at = created_at - interval '1 hour' WHERE destination_id = $1`,
      [id],
    );
    await stage.startWorker();
    await isDone(id, { delivered: messages.length, fed: true });
    expect(ids().sort()).toEqual([...messages].sort());
    expect(stage.simulator.control.stats().byKind).toEqual(asked);
  });
});
