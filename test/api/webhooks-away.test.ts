import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { loadConfig } from '../../config/config.ts';
import { parseKeyRing } from '../../config/key-ring.ts';
import { createTemporalClient } from '../../temporal/connection.ts';
import {
  hintsOf,
  lifecycleOf,
  notificationOf,
  readerSignals,
  seedSession,
  type TestSession,
  type TestSubscription,
} from './support/notifications.ts';
import { openApiStage, type ApiStage } from './support/stage.ts';
import { openWires, type Wires } from './support/wire.ts';

const PATH = '/webhooks/graph';
const UNTIL = { timeout: 40_000, interval: 200 };

let stage: ApiStage;
let wires: Wires;
let client: Client;
let session: TestSession;
let mailbox: TestSubscription;

beforeAll(async () => {
  wires = await openWires();
  stage = await openApiStage({ wires });
  const { config } = loadConfig(stage.environment);
  const address = inject('temporalAddress');
  const keys = parseKeyRing(stage.environment['OUTHAUL_KEYS'] ?? '');
  client = await createTemporalClient({ address, namespace: config.temporal.namespace }, keys);
});
afterAll(async () => {
  wires.mend();
  await client.connection.close();
  await stage.close();
  wires.close();
});
beforeEach(async () => {
  session = await seedSession(stage.db, `org-${randomUUID()}`, 2);
  [mailbox] = session.subscriptions;
});
afterEach(() => wires.mend());

const post = (path: string, ...value: object[]): Promise<Response> =>
  fetch(`${stage.api.url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ value }),
  });
const hints = (): Promise<string[]> => hintsOf(stage.db, session.organizationId);

describe('while the store hangs', () => {
  it('nothing is acknowledged, each request is answered before Graph gives up, and what is sent again is taken', async () => {
    expect((await post(PATH, notificationOf(mailbox, 'before'))).status).toBe(202);
    const during = Array.from({ length: 20 }, (_, index) => notificationOf(mailbox, `during-${index}`));
    wires.database.cut();
    const begun = performance.now();
    const answers = await Promise.all(during.map((one) => post(PATH, one)));
    expect(performance.now() - begun).toBeLessThan(3_000);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    expect(await answers[0]?.json()).toMatchObject({ success: false, error: 'Service Unavailable' });

    wires.mend();
    await vi.waitFor(async () => expect((await post(PATH, ...during)).status).toBe(202), UNTIL);
    const expected = ['before', ...during.map((_, index) => `during-${index}`)].sort();
    expect(await hints()).toEqual(expected);
    await vi.waitFor(async () => expect(await readerSignals(client, mailbox)).toBeDefined(), UNTIL);
  });
});

describe('while Temporal hangs', () => {
  it('notifications are taken all the same, and the relay wakes the readers when it is back', async () => {
    wires.temporal.cut();
    const [, other] = session.subscriptions;
    const answer = await post(PATH, notificationOf(mailbox, 'message-1'));
    expect(answer.status).toBe(202);
    expect((await post(`${PATH}/lifecycle`, lifecycleOf(other!, 'missed'))).status).toBe(202);
    expect(await hints()).toEqual(['message-1']);
    await vi.waitFor(() => expect(stage.lines.join('')).toContain('its hints wait'), UNTIL);
    expect(await readerSignals(client, mailbox)).toBeUndefined();

    wires.mend();
    await vi.waitFor(async () => {
      expect(await readerSignals(client, mailbox)).toContain('readRequested');
      expect(await readerSignals(client, other!)).toContain('readRequested');
    }, UNTIL);
  });

  it('a signal that was lost with its process is made up for', async () => {
    await stage.db.pool.query(
      `INSERT INTO outhaul.hints (organization_id, mailbox_id, message_id) VALUES ($1, $2, 'message-1')`,
      [session.organizationId, mailbox.mailboxId],
    );
    await vi.waitFor(async () => expect(await readerSignals(client, mailbox)).toContain('readRequested'), UNTIL);
  });
});
