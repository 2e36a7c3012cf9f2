import { afterEach, describe, expect, it } from 'vitest';
import type { FaultEffect } from '../../simulator/index.ts';
import { useMailboxes } from './stage.ts';

describe('a mailbox is read to its end, each message once,', () => {
  const stage = useMailboxes({ mailboxes: 6, messagesPerMailbox: 90, folders: 3 }, { requestTimeoutMs: 1_500 });
  afterEach(() => stage.simulator.control.clearFaults());

  const SILENCES: readonly (readonly [string, FaultEffect])[] = [
    ['no answer comes', { type: 'silence' }],
    ['an answer trickles for longer than a request may take', { type: 'trickle', bytes: 256, every: 100 }],
  ];

  it.each(SILENCES)('though %s', async (_what, effect) => {
    const mailbox = stage.ownMailbox();
    const { control } = stage.simulator;
    const { scanNo } = await stage.addScan();
    const { id } = control.addFault({ mailbox, kind: 'messagesDelta', after: 1, times: 2, effect });
    expect(await stage.read(mailbox, scanNo, { pageSize: 20 })).toMatchObject({ done: true, outcome: 'completed' });
    expect(control.faults().find((fault) => fault.id === id)?.struck).toBe(2);
    expect(await stage.storedIds(mailbox)).toEqual(stage.idsIn(mailbox));
  });
});
