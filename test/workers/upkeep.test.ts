import { Client, Connection, ScheduleNotFoundError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { createDeliveryWorkflows } from '../../api/delivery-workflows.ts';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { upkeepWorkflowId } from '../../model/ids.ts';
import { taskQueues } from '../../model/task-queues.ts';
import { withDefaults } from '../../model/destination.ts';
import { createDestination, destinationById, type Destination } from '../../store/destinations.ts';
import { writePage } from '../../store/pages.ts';
import { createDataConverter } from '../../temporal/data-converter.ts';
import { deliverySchedule } from '../../workers/delivery-schedule.ts';
import { openApiStage, type ApiStage } from '../api/support/stage.ts';
import { startTestWorker, type TestWorker } from '../api/support/worker.ts';
import { json, startReceiver, type Receiver } from '../destinations/support/receiver.ts';
import { message, startReading, unique, type Reading } from '../store/support.ts';

const patience = { timeout: 60_000, interval: 250 };

describe('an installation', () => {
  const keys = generateKey();
  let stage: ApiStage;
  let receiver: Receiver;
  let client: Client;
  let worker: TestWorker;
  let reading: Reading;
  beforeAll(async () => {
    stage = await openApiStage({ environment: { OUTHAUL_KEYS: keys } });
    receiver = await startReceiver();
    receiver.answer = (response) => json(response, 200, { status: 'healthy' });
    client = new Client({
      connection: await Connection.connect({ address: inject('temporalAddress') }),
      namespace: inject('temporalNamespace'),
      dataConverter: createDataConverter(parseKeyRing(keys)),
    });
    worker = await startTestWorker(stage.environment, stage.taskQueuePrefix);
    reading = await startReading(stage.db);
  }, 120_000);
  afterAll(async () => {
    await worker.stop();
    await deliverySchedule(client, stage.taskQueuePrefix).remove();
    await client.connection.close();
    await receiver.close();
    await stage.close();
  });

  const schedule = () => client.schedule.getHandle(upkeepWorkflowId(stage.taskQueuePrefix));
  /** A utility to which nothing has been owed; old enough for everybody to know of it. */
  async function addUtility(starts: 'now' | 'stored'): Promise<Destination> {
    const destination = await createDestination(stage.db, reading.organization, {
      kind: 'utility',
      settings: withDefaults('utility', { endpoint: receiver.url, allowPrivate: true }),
      ...{ name: unique('utility'), starts, secret: { token: 'token', signingKey: 'key' } },
    });
    await stage.db.pool.query(
      `UPDATE outhaul.destinations SET created_at = now() - interval '2 minutes' WHERE destination_id = $1`,
      [destination.id],
    );
    return destination;
  }
  async function emailsOwed({ destinationNo }: Destination): Promise<number> {
    const { rowCount } = await stage.db.pool.query('SELECT FROM outhaul.deliveries WHERE destination_no = $1', [
      destinationNo,
    ]);
    return rowCount ?? 0;
  }

  it('has one Schedule of the upkeep, which workers make anew where it is gone', async () => {
    const made = await schedule().describe();
    expect(made.spec.intervals).toEqual([{ every: 60_000 }]);
    expect(made.policies).toMatchObject({ overlap: 'SKIP', catchupWindow: 60_000 });
    const { orchestration } = taskQueues(stage.taskQueuePrefix);
    expect(made.action).toMatchObject({ workflowType: 'keepDelivery', taskQueue: orchestration });

    await schedule().pause('an operator');
    const again = deliverySchedule(client, stage.taskQueuePrefix);
    await again.keep();
    expect((await schedule().describe()).state.paused).toBe(true);
    await again.remove();
    await again.remove();
    await expect(schedule().describe()).rejects.toThrow(ScheduleNotFoundError);
    await worker.stop();
    worker = await startTestWorker(stage.environment, stage.taskQueuePrefix);
    expect((await schedule().describe()).state.paused).toBe(false);
  });

  it('feeds new destinations and watches them, by its Schedule', async () => {
    await writePage(stage.db, reading.organization, reading.page(['a', 'b', 'c'].map((id) => message(id))));
    const fed = await addUtility('stored');
    await schedule().trigger();
    await vi.waitUntil(async () => (await destinationById(stage.db, fed.id, null))?.fed, patience);
    expect(await emailsOwed(fed)).toBe(3);
    await vi.waitUntil(async () => (await destinationById(stage.db, fed.id, null))?.health, patience);
    expect((await destinationById(stage.db, fed.id, null))?.health).toMatchObject({ healthy: true });
  });

  it('replays a window of time when the API has it done', async () => {
    const destination = await addUtility('now');
    const { orchestration: orchestrationQueue } = taskQueues(stage.taskQueuePrefix);
    const deliveries = createDeliveryWorkflows(client, { orchestrationQueue });
    const window = { since: '2024-01-01T00:00:00Z', until: '2025-01-01T00:00:00Z' };
    await deliveries.feed(destination);
    await vi.waitUntil(async () => (await destinationById(stage.db, destination.id, null))?.fed, patience);
    expect(await emailsOwed(destination)).toBe(0);
    await deliveries.replay(destination, window);
    await vi.waitUntil(async () => (await emailsOwed(destination)) === 3, patience);
  });
});
