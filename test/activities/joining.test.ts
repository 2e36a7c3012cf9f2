import { describe, expect, it } from 'vitest';
import { pauseBefore } from '../../activities/joining.ts';
import type { LiveWork } from '../../store/live-work.ts';

describe('joining hints', () => {
  const joining = { joinMs: 200, joinMaxMs: 2_000 };
  const work = (ages: readonly number[], sinceFirstMs = Math.max(0, ...ages)): LiveWork => ({
    session: {
      sessionNo: 1,
      sessionId: 'session-1',
      scanNo: 1,
      filters: { folders: ['all'] },
      onlyUnread: false,
      markAsRead: false,
    },
    hints: ages.map((ageMs, hintNo) => ({ hintNo, messageId: `message-${hintNo}`, ageMs })),
    sinceFirstMs,
    deltaWantedAt: null,
    lastNo: 0,
  });

  it.each([
    ['waits until none has come for a moment', [500, 50], 150],
    ['goes on when none has come for a moment', [900, 200], 0],
    ['waits no longer than the most, though they keep coming', [1_950, 10], 50],
    ['goes on when the first has waited for the most', [2_500, 10], -500],
    ['waits for nothing where nothing was named', [], 0],
  ])('%s', (_, ages, pause) => {
    expect(pauseBefore(work(ages), joining)).toBe(pause);
  });

  it('counts from the first time that a message was named', () => {
    expect(pauseBefore(work([0], 1_990), joining)).toBe(10);
  });
});
