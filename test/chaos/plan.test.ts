import { describe, expect, it } from 'vitest';
import { nameOf, PAIRS, planOf, PROCESSES, type Deed } from '../../chaos/plan.ts';

const targetOf = (deed: Deed): string | undefined =>
  deed.kind === 'kill' || deed.kind === 'freeze' ? deed.target : deed.kind === 'cut' ? deed.pair : undefined;

describe('the plan of faults', () => {
  it('is the same for the same seed and minutes, and another for another seed', () => {
    expect(planOf({ seed: 7, minutes: 10 })).toEqual(planOf({ seed: 7, minutes: 10 }));
    expect(planOf({ seed: 7, minutes: 10 })).not.toEqual(planOf({ seed: 8, minutes: 10 }));
  });

  it.each([1, 2, 3])('holds every kind of fault within 10 minutes (seed %i)', (seed) => {
    const names = new Set(planOf({ seed, minutes: 10 }).map(nameOf));
    for (const process of PROCESSES) {
      const name = process.charAt(0).toUpperCase() + process.slice(1);
      expect(names).toContain(`kill${name}`);
      expect(names).toContain(`freeze${name}`);
    }
    expect([...names].filter((name) => name.startsWith('cut'))).toHaveLength(PAIRS.length);
    for (const name of ['fillConnections', 'cancelScan', 'pauseScan', 'restartScan']) expect(names).toContain(name);
    for (const name of ['mailBurst', 'graph429', 'graphSilence', 'graphExpireLinks']) expect(names).toContain(name);
  });

  it.each([1, 2, 3])(
    'holds every kind of fault of a session within 10 minutes, and none of a scan (seed %i)',
    (seed) => {
      const names = new Set(planOf({ seed, minutes: 10, deck: 'live' }).map(nameOf));
      for (const name of ['killWorker', 'killApi', 'killPostgres', 'killTemporal', 'cutGraphApi']) {
        expect(names).toContain(name);
      }
      for (const name of [
        'outageOfEverything',
        'expireSubscriptions',
        'lifecycleMissed',
        'lifecycleSubscriptionRemoved',
      ]) {
        expect(names).toContain(name);
      }
      for (const name of ['restartSession', 'stopDuringStartSession', 'pauseSession']) expect(names).toContain(name);
      expect([...names].filter((name) => name.endsWith('Scan'))).toEqual([]);
    },
  );

  it.each([1, 2, 3])('holds every kind of fault of those who take mail within 10 minutes (seed %i)', (seed) => {
    const names = new Set(planOf({ seed, minutes: 10, deck: 'deliver' }).map(nameOf));
    for (const name of ['killWorker', 'killPostgres', 'killTemporal', 'killRedis', 'killUtility']) {
      expect(names).toContain(name);
    }
    for (const name of ['freezeRedis', 'freezeUtility', 'cutWorkerRedis', 'cutWorkerUtility']) {
      expect(names).toContain(name);
    }
  });

  it('freezes a worker for longer than a heartbeat time-out and a lease', () => {
    const freezes = planOf({ seed: 1, minutes: 10 }).filter(
      (deed) => deed.kind === 'freeze' && deed.target === 'worker' && deed.forMs >= 25_000,
    );
    expect(freezes.length).toBeGreaterThan(0);
  });

  it('ends within its minutes, in order of time, and does one thing at a time to each target', () => {
    for (let seed = 0; seed < 50; seed++) {
      const plan = planOf({ seed, minutes: 3 });
      const freeAt = new Map<string, number>();
      let before = 0;
      for (const deed of plan) {
        expect(deed.atMs).toBeGreaterThanOrEqual(before);
        expect(deed.atMs + deed.forMs).toBeLessThanOrEqual(3 * 60_000);
        before = deed.atMs;
        const target = targetOf(deed);
        if (target === undefined) continue;
        expect(deed.atMs).toBeGreaterThanOrEqual(freeAt.get(target) ?? 0);
        freeAt.set(target, deed.atMs + deed.forMs);
      }
    }
  });

  it('is empty where no time is given', () => {
    expect(planOf({ seed: 1, minutes: 0 })).toEqual([]);
  });
});
