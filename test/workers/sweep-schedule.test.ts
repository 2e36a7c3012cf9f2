import { Connection, Client, ScheduleNotFoundError } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { sweepWorkflowId } from '../../model/ids.ts';
import { createDataConverter } from '../../temporal/data-converter.ts';
import { sweepSchedule } from '../../workers/sweep-schedule.ts';
import { quietRuntime } from '../support/temporal.ts';

const patience = { timeout: 30_000 };

describe('the Schedule of a sweep', () => {
  const organizationId = `test-${randomUUID()}`;
  const taskQueue = `${organizationId}-orchestration`;
  let native: NativeConnection;
  let client: Client;
  let sweeps: ReturnType<typeof sweepSchedule>;
  beforeAll(async () => {
    quietRuntime();
    const address = inject('temporalAddress');
    const namespace = inject('temporalNamespace');
    const dataConverter = createDataConverter(parseKeyRing(generateKey()));
    native = await NativeConnection.connect({ address });
    client = new Client({ connection: await Connection.connect({ address }), namespace, dataConverter });
    sweeps = sweepSchedule(new Client({ connection: native, namespace, dataConverter }), { taskQueue });
  });
  afterAll(async () => {
    await sweeps.remove(organizationId);
    await client.connection.close();
    await native.close();
  });

  const described = () => client.schedule.getHandle(sweepWorkflowId(organizationId)).describe();
  const startedAt = '2026-01-01T00:00:07.000Z';

  it('is made, left alone where it is so already, and changed where it is to be another', async () => {
    await sweeps.keep({ organizationId, seconds: 300, startedAt });
    const made = await described();
    expect(made.spec.intervals).toEqual([{ every: 300_000, offset: 7_000 }]);
    expect(made.policies).toMatchObject({ overlap: 'SKIP', catchupWindow: 60_000 });
    expect(made.action).toMatchObject({ workflowType: 'sweepMailboxes', taskQueue, args: [{ organizationId }] });
    await sweeps.keep({ organizationId, seconds: 300, startedAt });
    expect((await described()).info.lastUpdatedAt).toEqual(made.info.lastUpdatedAt);
    await sweeps.keep({ organizationId, seconds: 75, startedAt });
    expect((await described()).spec.intervals).toEqual([{ every: 75_000, offset: 7_000 }]);
  });

  it('sweeps at once when it is asked to, though not beside a sweep that runs', async () => {
    const ran = async () => (await described()).info;
    await sweeps.sweepNow(organizationId);
    await vi.waitUntil(async () => (await ran()).runningActions.length === 1, patience);
    await sweeps.sweepNow(organizationId);
    await vi.waitUntil(async () => (await ran()).numActionsSkippedOverlap === 1, patience);
    const [action] = (await ran()).recentActions;
    expect(action?.action.workflow.workflowId).toContain(sweepWorkflowId(organizationId));
    await client.workflow.getHandle(action?.action.workflow.workflowId ?? '').terminate();
  });

  it('is gone when it is removed, and removing it again does no harm', async () => {
    await sweeps.remove(organizationId);
    await expect(described()).rejects.toThrow(ScheduleNotFoundError);
    await sweeps.remove(organizationId);
  });

  it('is not needed for a sweep that is asked for', async () => {
    await sweeps.sweepNow(organizationId);
    await sweeps.sweepNow(organizationId);
    const handle = client.workflow.getHandle(sweepWorkflowId(organizationId));
    expect((await handle.describe()).status.name).toBe('RUNNING');
    await handle.terminate();
  });
});
