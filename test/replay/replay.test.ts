import { Worker } from '@temporalio/worker';
import { describe, expect, inject, it } from 'vitest';
import { parseKeyRing } from '../../config/key-ring.ts';
import { createDataConverter } from '../../temporal/data-converter.ts';
import { quietRuntime } from '../support/temporal.ts';
import { RECORDING_KEYS, recordedHistories } from './histories.ts';

describe('recorded histories', () => {
  it('of every workflow, in every shape it takes, replay with the workflows as they are now', async () => {
    quietRuntime();
    const histories = await recordedHistories();
    const outcomes: string[] = [];
    const replays = Worker.runReplayHistories(
      {
        workflowBundle: { codePath: inject('workflowBundlePath') },
        dataConverter: createDataConverter(parseKeyRing(RECORDING_KEYS)),
      },
      histories,
    );
    for await (const { workflowId, error } of replays) outcomes.push(`${workflowId}: ${error?.message ?? 'replays'}`);
    expect(outcomes.sort()).toEqual(
      [
        'checkConnection-cancelled',
        'checkConnection-failed',
        'checkConnection-fresh',
        'checkConnection-retried',
        'retryQuarantine-cancelled',
        'retryQuarantine-failed',
        'retryQuarantine-fresh',
        'retryQuarantine-retried',
        'scanTenant-cancelled',
        'scanTenant-continued',
        'scanTenant-failed',
        'scanTenant-fresh',
        'scanTenant-refused',
        'scanTenant-retried',
        'syncMailbox-cancelled',
        'syncMailbox-failed',
        'syncMailbox-fresh',
        'syncMailbox-interrupted',
        'syncMailbox-retried',
        'syncMailbox-shared',
        'syncMailbox-slices',
      ].map((name) => `${name}: replays`),
    );
  });
});
