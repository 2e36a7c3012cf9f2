import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { closeDatabase, openDatabase } from '../../store/database.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { json, startReceiver, type Receiver } from '../destinations/support/receiver.ts';
import { log } from '../store/support.ts';
import { ORGANIZATION, openStage, type Stage } from './stage.ts';

const MAILBOXES = 3;
const EACH = 200;

describe('the mail of a scan', () => {
  let stage: Stage;
  let receiver: Receiver;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'outhaul-delivery-'));
    [stage, receiver] = await Promise.all([
      openStage(
        { mailboxes: MAILBOXES, messagesPerMailbox: EACH, folders: 2, oddMessages: false },
        { OUTHAUL_BLOBS_DIR: folder },
      ),
      startReceiver(),
    ]);
    const db = openDatabase({ url: stage.services.postgres.url, sealer: parseKeyRing(generateKey()), log });
    await ensureOrganization(db, ORGANIZATION);
    await closeDatabase(db);
  });
  afterEach(async () => {
    await Promise.all([stage.close(), receiver.close()]);
    await rm(folder, { recursive: true, force: true });
  });

  const addDestination = async (kind: string, path: string, settings: object = {}): Promise<void> => {
    const endpoint = `${receiver.url}${path}`;
    const body = {
      organizationId: ORGANIZATION,
      name: kind,
      kind,
      settings: { endpoint, allowPrivate: true, ...settings },
    };
    const { status, answer } = await stage.call('POST', '/api/v1/destinations', body);
    expect(status, JSON.stringify(answer)).toBe(201);
  };
  /** The ids of all that is mail. */
  const truth = (): string[] =>
    stage.simulator.control.truth
      .mailboxes()
      .flatMap(({ id }) => stage.simulator.control.truth.page({ mailbox: id, limit: 10_000 }).value)
      .filter(({ message }) => message['isDraft'] !== true)
      .map(({ message }) => message['id'] as string)
      .sort();
  const processed = () => receiver.received.filter(({ url }) => url === '/utility/process');
  const idOf = ({ body }: { body: string }): string => (JSON.parse(body) as { message_id: string }).message_id;
  const batched = (): string[] =>
    receiver.received
      .filter(({ url }) => url === '/batch/batch-metadata')
      .flatMap(({ body }) => (JSON.parse(body) as { emails: { message_id: string }[] }).emails)
      .map(({ message_id: id }) => id);

  it('reaches a utility and a batch receiver whole, though their sender is killed', { timeout: 240_000 }, async () => {
    receiver.answer = (response, { url }) => {
      const answer = (): void => json(response, 200, { status: 'success' });
      if (url === '/utility/process') setTimeout(answer, 100);
      else answer();
    };
    await addDestination('utility', '/utility', { concurrency: 10 });
    await addDestination('batch', '/batch');
    const first = stage.startWorker();
    await stage.startScan('owing');
    await vi.waitUntil(() => processed().length > 100, { timeout: 120_000 });
    first.kill('SIGKILL');
    await first.ended;
    stage.startWorker();
    await stage.ended('owing');

    const ids = truth();
    await vi.waitUntil(
      () => new Set(processed().map(idOf)).size === ids.length && new Set(batched()).size === ids.length,
      {
        timeout: 120_000,
        interval: 200,
      },
    );
    expect([...new Set(processed().map(idOf))].sort()).toEqual(ids);
    expect([...new Set(batched())].sort()).toEqual(ids);
    const keys = processed().map(({ headers }) => headers['idempotency-key']);
    expect(new Set(keys).size).toBe(ids.length);
    // Twice only what the killed worker had sent and not recorded.
    expect(keys.length - ids.length).toBeLessThanOrEqual(20);
    await vi.waitFor(
      async () => {
        const { answer } = await stage.call('GET', `/api/v1/destinations?organizationId=${ORGANIZATION}`);
        const destinations = answer['destinations'] as object[];
        for (const destination of destinations) {
          expect(destination).toMatchObject({ owed: 0, waiting: 0, dead: 0, delivered: ids.length });
        }
      },
      { timeout: 30_000, interval: 500 },
    );
  });
});
