import { afterEach, describe, expect, it } from 'vitest';
import type { FaultEffect } from '../../simulator/index.ts';
import { useMailboxes } from './stage.ts';

describe('a mailbox is read to its end, each message once,', () => {
  const stage = useMailboxes({ mailboxes: 4, messagesPerMailbox: 90, folders: 3 }, { requestTimeoutMs: 1_500 });
  afterEach(() => stage.simulator.control.clearFaults());
  let next = 0;

  const SILENCES: readonly (readonly [string, FaultEffect])[] = [
    ['no answer comes', { type: 'silence' }],
    ['an answer trickles for longer than a request may take', { type: 'trickle', bytes: 256, every: 100 }],
  ];

  it.each(SILENCES)('though %s', async (_what, effect) => {
    const mailbox = stage.mailboxes[next++] ?? '';
    const { control } = stage.simulator;
    const { scanNo } = await stage.addScan();
    const { id } = control.addFault({ mailbox, kind: 'messagesDelta', after: 1, times: 2, effect });
    expect(await stage.read(mailbox, scanNo, { pageSize: 20 })).toMatchObject({ done: true, outcome: 'completed' });
    expect(control.faults().find((fault) => fault.id === id)?.struck).toBe(2);
    const rows = await stage.store.sql<{ id: string }>(
      `SELECT id FROM ${stage.organization.schema}.emails WHERE _user_id = $1 AND _deleted_at IS NULL ORDER BY id`,
      [mailbox],
    );
    const truth = control.truth.page({ mailbox, limit: 1_000 }).value.map(({ message }) => message['id'] as string);
    expect(rows.map((row) => row.id)).toEqual(truth.sort());
  });
});
