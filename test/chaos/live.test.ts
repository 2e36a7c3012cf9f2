import { describe, expect, it } from 'vitest';
import { liveFaultsOf, type LiveReport } from '../../chaos/live.ts';

const passed: LiveReport = {
  ...{ seed: 1, faults: {}, kills: 2, sessions: 1, sessionsLost: 0, messages: 100 },
  ...{ missing: 0, duplicated: 0, different: 0, unexplained: 0, peakMailboxConcurrency: 4 },
  afterSweep: { missing: 0, duplicated: 0, different: 3 },
  ...{ told: 24, missed: 6, webhook: { status: 'on', active: 11 }, notifications: { made: 40, delivered: 30 } },
};

describe('a run with a session', () => {
  it('has passed with nothing missing, nothing twice, and notifications that were measured', () => {
    expect(liveFaultsOf(passed)).toEqual([]);
    expect(liveFaultsOf({ ...passed, told: 0 })).toEqual([]);
  });

  it('has failed where none of its new messages was told or missed', () => {
    expect(liveFaultsOf({ ...passed, told: 0, missed: 0 })).toEqual([
      'no new message, told or missed, though Graph notifies of 11 mailboxes (on)',
    ]);
  });

  it.each([
    [{ missing: 1 }, '1 missing'],
    [{ sessionsLost: 1 }, '1 sessions that ended by themselves'],
    [{ afterSweep: { missing: 0, duplicated: 2, different: 0 } }, '2 duplicated after the sweep'],
    [{ peakMailboxConcurrency: 5 }, '5 requests at a time for one mailbox, more than 4'],
  ])('has failed with %j', (change, fault) => {
    expect(liveFaultsOf({ ...passed, ...change })).toEqual([fault]);
  });
});
