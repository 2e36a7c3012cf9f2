import { Worker } from '@temporalio/worker';
import { describe, expect, inject, it } from 'vitest';
import { outhaulVersion } from '../../api/version.ts';
import { parseKeyRing } from '../../config/key-ring.ts';
import { createDataConverter } from '../../temporal/data-converter.ts';
import type * as workflows from '../../workflows/index.ts';
import { quietRuntime } from '../support/temporal.ts';
import { RECORDING_KEYS, recordedHistories, type History } from './histories.ts';

/** The shapes that the history of each workflow takes. */
const SHAPES: Readonly<Record<keyof typeof workflows, readonly string[]>> = {
  checkConnection: ['fresh', 'retried', 'cancelled', 'failed'],
  deliver: ['fresh', 'retried', 'due', 'owed', 'continuing', 'continued', 'failed', 'cancelled'],
  feedDestination: ['fresh', 'early', 'retried', 'failed', 'cancelled'],
  keepDelivery: ['fresh', 'retried', 'failed', 'cancelled'],
  keepSession: [
    'fresh',
    'polling',
    'retried',
    'nudged',
    'continuing',
    'continued',
    'unreachable',
    'troubled',
    'refused',
    'failed',
    'cancelled',
    'stopped-early',
  ],
  replayDestination: ['fresh', 'retried', 'failed', 'cancelled'],
  retryQuarantine: ['fresh', 'retried', 'cancelled', 'failed'],
  scanTenant: [
    'fresh',
    'retried',
    'continuing',
    'continued',
    'pending',
    'paused',
    'paused-continuing',
    'paused-continued',
    'paused-cancelled',
    'reopened',
    'cancelled',
    'refused',
    'failed',
    'no-end',
  ],
  startScheduledScan: ['fresh', 'retried', 'left-out', 'cancelled', 'failed'],
  sweepMailboxes: ['fresh', 'retried', 'cancelled', 'failed'],
  syncContacts: ['fresh', 'retried', 'failed', 'changed', 'continuing', 'continued', 'due', 'cancelled'],
  syncMailbox: [
    'fresh',
    'retried',
    'continued',
    'paused',
    'cancelled',
    'failed',
    'slices',
    'shared',
    'interrupted',
    'unattended',
  ],
};

const idIn = ({ events }: History): string => events?.[0]?.workflowExecutionStartedEventAttributes?.workflowId ?? '';

describe('recorded histories', () => {
  it('of every workflow, in every shape it takes, replay with the workflows as they are now', async () => {
    quietRuntime();
    const recorded = await recordedHistories();
    const outcomes: Record<string, string> = {};
    const replays = Worker.runReplayHistories(
      {
        workflowBundle: { codePath: inject('workflowBundlePath') },
        dataConverter: createDataConverter(parseKeyRing(RECORDING_KEYS)),
      },
      // What a Schedule has started reads the time at which it was due from its id.
      recorded.map(({ version, name, history }) => ({ workflowId: `${version}/${name}#${idIn(history)}`, history })),
    );
    for await (const { workflowId, error } of replays) {
      outcomes[workflowId.split('#')[0] ?? ''] = error?.message ?? 'replays';
    }
    expect(outcomes).toEqual(
      Object.fromEntries(recorded.map(({ version, name }) => [`${version}/${name}`, 'replays'])),
    );
  });

  it('are there for this version in every shape', async () => {
    const version = await outhaulVersion();
    const names = (await recordedHistories()).filter((one) => one.version === version).map(({ name }) => name);
    const wanted = Object.entries(SHAPES).flatMap(([workflow, shapes]) =>
      shapes.map((shape) => `${workflow}-${shape}`),
    );
    expect(names.sort()).toEqual(wanted.sort());
  });

  it('stay under 4,000 events a run', async () => {
    for (const { name, history } of await recordedHistories()) {
      expect(history.events?.length, name).toBeLessThan(4000);
    }
  });
});
