import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deliverWorkflowId } from '../../model/ids.ts';
import { attend, leave } from '../../store/attendance.ts';
import { createDestination, pauseDestination, type Destination } from '../../store/destinations.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { destinationWaker, type WakeDestinations } from '../../workers/destination-waker.ts';
import { utility } from '../store/outbox-support.ts';
import { unique, useStore } from '../store/support.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';

describe('who wakes the senders of destinations', () => {
  const store = useStore();
  let stage: WorkflowStage;
  let wake: WakeDestinations;
  beforeAll(async () => {
    stage = await openWorkflowStage();
    wake = destinationWaker({ db: store.db, client: stage.client }, { taskQueue: stage.queues.orchestration });
  });
  afterAll(() => stage.close());

  const destination = async (): Promise<Destination> => {
    const organization = await ensureOrganization(store.db, unique('waking'));
    return createDestination(store.db, organization, { ...utility, name: unique('utility'), starts: 'now' });
  };
  const handleOf = ({ id }: Destination) => stage.client.workflow.getHandle(deliverWorkflowId(id));
  const signalsTo = async (to: Destination): Promise<number> => {
    const { events = [] } = await handleOf(to).fetchHistory();
    return (events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes).length;
  };
  const terminate = async (...all: readonly Destination[]): Promise<void> => {
    for (const each of all) await handleOf(each).terminate();
  };

  it('starts the workflow of each, with its priority and without anything personal, and signals one that runs', async () => {
    const [one, other] = [await destination(), await destination()];
    await wake([one.destinationNo, other.destinationNo]);
    const { status, raw } = await handleOf(one).describe();
    expect(status.name).toBe('RUNNING');
    expect(raw.workflowExecutionInfo?.priority).toMatchObject({ priorityKey: 3, fairnessKey: one.organizationId });
    expect(await signalsTo(other)).toBe(1);
    await wake([one.destinationNo]);
    expect(await signalsTo(one)).toBe(2);
    await terminate(one, other);
  });

  it('leaves those alone that somebody has promised to look at again, or that are paused', async () => {
    const attended = await destination();
    await attend(store.db, { destinationNo: attended.destinationNo, seconds: 60 });
    await wake([attended.destinationNo]);
    await expect(handleOf(attended).describe()).rejects.toThrow();
    // Too soon to rely on.
    await attend(store.db, { destinationNo: attended.destinationNo, seconds: 0.5 });
    await wake([attended.destinationNo]);
    expect(await signalsTo(attended)).toBe(1);
    await leave(store.db, attended.destinationNo);
    await wake([attended.destinationNo]);
    expect(await signalsTo(attended)).toBe(2);

    const paused = await destination();
    await pauseDestination(store.db, paused);
    await wake([paused.destinationNo]);
    await expect(handleOf(paused).describe()).rejects.toThrow();
    await terminate(attended);
  });

  it('looks once for many calls at a time, and always once more after the last one', async () => {
    const busy = await destination();
    await Promise.all(Array.from({ length: 100 }, () => wake([busy.destinationNo])));
    const signals = await signalsTo(busy);
    expect(signals).toBeGreaterThanOrEqual(1);
    expect(signals).toBeLessThanOrEqual(2);
    await wake([busy.destinationNo]);
    expect(await signalsTo(busy)).toBe(signals + 1);
    await terminate(busy);
  });
});
