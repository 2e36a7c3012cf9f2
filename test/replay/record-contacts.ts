import { afterAll, beforeAll, it, vi } from 'vitest';
import { contactsWorkflowId } from '../../model/ids.ts';
import type { ContactActivities } from '../../activities/contact-activities.ts';
import { contactsChangedSignal, syncAskedSignal } from '../../workflows/messages.ts';
import type { ContactsInput, syncContacts } from '../../workflows/sync-contacts.ts';
import { Tenant, untilCancelled } from '../support/tenant.ts';
import { Recorder, failing, flaky, patience } from './recorder.ts';

let recorder: Recorder;
beforeAll(async () => {
  recorder = await Recorder.open();
});
afterAll(() => recorder.stage.close());

const played = (over: Partial<ContactActivities> = {}) =>
  Object.assign(new Tenant(0).activities(), {
    syncWithAirtable: async () => ({ status: 'completed' as const }),
    addChangeSync: async () => ({ syncNo: 7 }),
    addScheduledSync: async () => undefined,
    failContactSync: async () => undefined,
    ...over,
  });

const named = (shape: string) => contactsWorkflowId(`${recorder.stage.organizationId}-${shape}`);

/** Starts the workflow with a sync that is asked for. */
const ask = (shape: string, more: Partial<ContactsInput> = {}) =>
  recorder.stage.client.workflow.signalWithStart<typeof syncContacts, [{ readonly syncNo: number }]>('syncContacts', {
    workflowId: named(shape),
    taskQueue: recorder.stage.queues.orchestration,
    args: [{ organizationId: recorder.stage.organizationId, ...more }],
    signal: syncAskedSignal,
    signalArgs: [{ syncNo: 1 }],
  });

const keep = (shape: string) =>
  recorder.record(`syncContacts-${shape}`, recorder.stage.client.workflow.getHandle(named(shape)));

it('syncs that are asked for, tried again, and given up', async () => {
  const shapes = {
    fresh: played(),
    retried: played({ syncWithAirtable: flaky({ status: 'completed' }) }),
    failed: played({ syncWithAirtable: failing }),
  };
  for (const [shape, activities] of Object.entries(shapes)) {
    await recorder.stage.run(activities, async () => (await ask(shape)).result());
    await keep(shape);
  }
});

it('changes that are joined, and a sync that comes in between', async () => {
  await recorder.stage.run(played(), async () => {
    const handle = await ask('changed', { changed: true, joinMs: 1_000 });
    await handle.signal(contactsChangedSignal);
    await handle.result();
  });
  await keep('changed');
});

it('a run that continues as new', async () => {
  await recorder.stage.run(played(), async () => {
    const handle = await ask('continued', { changed: true, joinMs: 100, maxEvents: 1 });
    await handle.result();
    const first = recorder.stage.client.workflow.getHandle(named('continued'), handle.signaledRunId);
    await recorder.record('syncContacts-continuing', first);
  });
  await keep('continued');
});

it('what a Schedule starts, and a sync that is cancelled', async () => {
  const { client, organizationId, queues } = recorder.stage;
  await recorder.stage.run(played({ syncWithAirtable: untilCancelled }), async () => {
    const args: [ContactsInput] = [{ organizationId, due: true }];
    const options = { workflowId: named('due'), taskQueue: queues.orchestration, args };
    await client.workflow.execute<typeof syncContacts>('syncContacts', options);
    const handle = await ask('cancelled');
    const isTaken = async () =>
      ((await handle.describe()).raw.pendingActivities ?? []).some((one) => one.lastStartedTime);
    await vi.waitUntil(isTaken, patience);
    await handle.cancel();
    await handle.result().catch(() => undefined);
  });
  await keep('due');
  await keep('cancelled');
});
