import { describe, expect, it } from 'vitest';
import { lossRate, sweepSecondsFor } from '../../model/session.ts';

describe('the share of notifications that are lost', () => {
  it('is what only a delta found, of all new messages', () => {
    expect(lossRate({ told: 80, missed: 20 })).toBe(0.2);
    expect(lossRate({ told: 0, missed: 0 })).toBeNull();
  });
});

describe('the time between two sweeps', () => {
  const fine = { notifications: 'on', told: 990, missed: 10 } as const;

  it('is the one asked for while notifications tell enough, or were not asked for', () => {
    expect(sweepSecondsFor(300, fine)).toBe(300);
    expect(sweepSecondsFor(300, { notifications: 'off', told: 0, missed: 100 })).toBe(300);
    expect(sweepSecondsFor(300, { notifications: 'starting', told: 0, missed: 0 })).toBe(300);
  });

  it('is a quarter where more than one in twenty is lost', () => {
    expect(sweepSecondsFor(300, { ...fine, told: 80, missed: 20 })).toBe(75);
    expect(sweepSecondsFor(60, { ...fine, told: 80, missed: 20 })).toBe(30);
  });

  it('is not shortened for a few messages', () => {
    expect(sweepSecondsFor(300, { ...fine, told: 1, missed: 2 })).toBe(300);
  });

  it('is at most a minute where Graph cannot reach us', () => {
    expect(sweepSecondsFor(300, { ...fine, notifications: 'unreachable' })).toBe(60);
    expect(sweepSecondsFor(45, { ...fine, notifications: 'unreachable' })).toBe(45);
  });

  it('is never longer than asked for', () => {
    expect(sweepSecondsFor(10, { ...fine, told: 80, missed: 20 })).toBe(10);
    expect(sweepSecondsFor(10, { ...fine, notifications: 'unreachable' })).toBe(10);
  });
});
