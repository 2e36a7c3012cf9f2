import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { createQuarantineActivities } from '../../activities/quarantine-activities.ts';
import { requestRetries } from '../../store/quarantine-list.ts';
import { startReading, unique, useStore } from '../store/support.ts';

describe('waking readers', () => {
  const store = useStore();

  /** An organization with one message to be tried again in each of its mailboxes. */
  async function toRetry(mailboxes: number): Promise<string> {
    const organizationId = unique('waking');
    await startReading(store.db, { organizationId });
    await store.sql(
      `INSERT INTO outhaul.quarantine (organization_id, mailbox_id, folder_id, message_id, message_key, cause,
        unreadable, stored)
      SELECT $1, 'mailbox-' || n, 'inbox', 'message', '\\x00', 'Timeout', '{}', false FROM generate_series(1, $2) n`,
      [organizationId, mailboxes],
    );
    await requestRetries(store.db, organizationId, {});
    return organizationId;
  }
  const wake = (organizationId: string, woken: string[], env = new MockActivityEnvironment(), fails = () => false) => {
    const activities = createQuarantineActivities({
      db: store.db,
      pauseMs: 1,
      wakeReader: async (_, mailboxId) => {
        if (fails()) throw new Error('Temporal is away');
        woken.push(mailboxId);
      },
    });
    return env.run(() => activities.wakeReaders({ organizationId }));
  };

  it('asks each reader with something to try again once, in stretches', async () => {
    const organizationId = await toRetry(50);
    const woken: string[] = [];
    expect(await wake(organizationId, woken)).toEqual({ mailboxes: 50 });
    expect(new Set(woken).size).toBe(50);
    expect(woken).toHaveLength(50);
  });

  it('asks nobody where there is nothing to try again', async () => {
    const woken: string[] = [];
    expect(await wake(unique('nobody'), woken)).toEqual({ mailboxes: 0 });
    expect(woken).toEqual([]);
  });

  it('goes on after an interruption where it was', async () => {
    const organizationId = await toRetry(50);
    const first: string[] = [];
    const env = new MockActivityEnvironment();
    await expect(wake(organizationId, first, env, () => first.length >= 40)).rejects.toThrow('away');
    const second: string[] = [];
    const progress = { failures: 1, progress: { after: first.sort()[39], mailboxes: 40 } };
    await wake(organizationId, second, new MockActivityEnvironment({ heartbeatDetails: progress }));
    expect(new Set([...first, ...second]).size).toBe(50);
    expect(second).toHaveLength(10);
  });
});
