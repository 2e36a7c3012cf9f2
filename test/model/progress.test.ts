import { describe, expect, test } from 'vitest';
import { progressOf, type ScanCounts } from '../../model/progress.ts';

const start = '2026-11-21T09:00:00Z';
const after = (seconds: number): Date => new Date(Date.parse(start) + seconds * 1000);
const running: ScanCounts = {
  status: 'running',
  startedAt: start,
  endedAt: null,
  idleSince: null,
  idleMs: 0,
  total: 10,
  waiting: 0,
  skipped: 0,
  records: 0,
  expected: 0,
};

describe('the speed of a scan', () => {
  test('is counted over the run so far', () => {
    expect(progressOf({ ...running, records: 1000 }, after(10)).messagesPerSecond).toBe(100);
  });

  test('stays what it was once the scan has ended', () => {
    const ended: ScanCounts = { ...running, status: 'completed', endedAt: after(20).toISOString(), records: 1000 };
    expect(progressOf(ended, after(3600)).messagesPerSecond).toBe(50);
  });

  test('leaves out the time that the scan stood still, now and before', () => {
    const paused: ScanCounts = { ...running, status: 'paused', idleSince: after(30).toISOString(), records: 1000 };
    expect(progressOf({ ...paused, idleMs: 10_000 }, after(3600)).messagesPerSecond).toBe(50);
    expect(progressOf(paused, after(3600)).etaSeconds).toBeNull();
    expect(progressOf({ ...running, idleMs: 90_000, records: 1000 }, after(100)).messagesPerSecond).toBe(100);
  });

  test('is zero before the scan has its turn', () => {
    expect(progressOf({ ...running, status: 'pending', startedAt: null }, after(10))).toEqual({
      messagesPerSecond: 0,
      etaSeconds: null,
    });
  });

  test('is zero, not infinite, in the very first moment', () => {
    expect(progressOf({ ...running, records: 100 }, after(0)).messagesPerSecond).toBe(0);
  });

  test('is rounded to one decimal', () => {
    expect(progressOf({ ...running, records: 100 }, after(3)).messagesPerSecond).toBe(33.3);
  });
});

describe('the time left', () => {
  test('follows from what Graph counted in the mailboxes begun', () => {
    expect(progressOf({ ...running, records: 1000, expected: 3000 }, after(10)).etaSeconds).toBe(20);
  });

  test('takes mailboxes not begun for as big as the others', () => {
    const half: ScanCounts = { ...running, waiting: 5, records: 1000, expected: 1000 };
    expect(progressOf(half, after(10)).etaSeconds).toBe(10);
  });

  test('leaves skipped mailboxes out of the average', () => {
    const skipped: ScanCounts = { ...running, waiting: 4, skipped: 4, records: 1000, expected: 1000 };
    expect(progressOf(skipped, after(10)).etaSeconds).toBe(20);
  });

  test('is never negative, though Graph counted fewer than there were', () => {
    expect(progressOf({ ...running, records: 1200, expected: 1000 }, after(10)).etaSeconds).toBe(0);
  });

  test.each(['pending', 'paused', 'cancelling'] as const)('is unknown while the scan is %s', (status) => {
    expect(progressOf({ ...running, status, records: 100, expected: 1000 }, after(10)).etaSeconds).toBeNull();
  });

  test('is unknown before anything was stored', () => {
    expect(progressOf({ ...running, expected: 1000 }, after(10)).etaSeconds).toBeNull();
  });

  test('is zero once the scan has ended, however it ended', () => {
    const failed: ScanCounts = { ...running, status: 'failed', endedAt: after(5).toISOString(), expected: 1000 };
    expect(progressOf(failed, after(10)).etaSeconds).toBe(0);
  });
});
