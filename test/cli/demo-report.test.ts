import { describe, expect, it } from 'vitest';
import { demoEnvironment } from '../../cli/demo/environment.ts';
import { watchPeakMemory } from '../../cli/demo/peak-memory.ts';
import { comparisonReport, demoFigures, isClean, type DemoOutcome } from '../../cli/demo/report.ts';

const outcome = (changes: Partial<DemoOutcome['comparison']> = {}, rows = 1000): DemoOutcome => ({
  state: {
    status: 'completed_with_errors',
    startTime: '2026-11-21T09:00:00.000Z',
    endTime: '2026-11-21T09:00:04.000Z',
    mailboxes: { total: 13, running: 0, completed: 10, failed: 0, skipped: 3 },
  } as DemoOutcome['state'],
  comparison: {
    ...{ messages: 1000, stored: 1000, missing: 0, duplicated: 0, different: 0 },
    storedByMailbox: new Map(),
    findings: [],
    ...changes,
  },
  rows,
  peakRssMb: 250,
});

describe('the figures of a demo', () => {
  it('are what --json prints', () => {
    expect(demoFigures(outcome())).toEqual({
      mailboxes: 10,
      messages: 1000,
      stored: 1000,
      missing: 0,
      duplicated: 0,
      different: 0,
      seconds: 4,
      messagesPerSecond: 250,
      peakRssMb: 250,
    });
  });

  it('count rows that no message accounts for as duplicated', () => {
    expect(demoFigures(outcome({ stored: 990, missing: 10, duplicated: 2 }, 1000))).toMatchObject({ duplicated: 10 });
  });

  it('are clean only when nothing is missing, duplicated or different and the scan came to its end', () => {
    const { state } = outcome();
    expect(isClean(demoFigures(outcome()), state)).toBe(true);
    expect(isClean(demoFigures(outcome()), { status: 'failed' })).toBe(false);
    expect(isClean(demoFigures(outcome({ different: 1 })), state)).toBe(false);
    expect(isClean(demoFigures(outcome({}, 1001)), state)).toBe(false);
  });

  it('are told in a sentence, with the faults that were found', () => {
    expect(comparisonReport(demoFigures(outcome()), [])).toEqual([
      'Compared every field of 1,000 messages with the tenant: nothing is missing, duplicated or different.',
    ]);
    const findings = [{ kind: 'different', mailboxId: 'u1', id: 'm1', columns: ['subject'] }] as const;
    expect(comparisonReport(demoFigures(outcome({ different: 1 })), findings)).toEqual([
      'Compared every field of 1,000 messages with the tenant: 0 missing, 0 duplicated, 1 different.',
      '  different: mailbox u1, message m1 (subject)',
    ]);
  });
});

describe('the environment of a demo', () => {
  it('has nothing in it that names an operator’s database, tenant, keys or port', () => {
    const env = {
      PATH: '/bin',
      LOG_LEVEL: 'debug',
      MAX_WORKERS: '7',
      TEMPORAL_ADDRESS: 'temporal:7233',
      ...{ DATABASE_URL: 'postgres://prod', DB_HOST: 'prod', OUTHAUL_KEYS: 'k:x', PORT: '80', OUTHAUL_API_KEY: 'x' },
      ...{ TENANT_ID: 't', AZURE_CLIENT_SECRET: 's', MAILBOX_ADDRESS: 'a@b', OUTLOOK_API_BASE_URL: 'https://g' },
    };
    expect(demoEnvironment(env)).toEqual({
      PATH: '/bin',
      LOG_LEVEL: 'debug',
      MAX_WORKERS: '7',
      TEMPORAL_ADDRESS: 'temporal:7233',
    });
  });
});

describe('the peak of memory', () => {
  it('is that of the process, and stays when the process is gone', async () => {
    let pid = process.pid;
    const memory = watchPeakMemory(() => pid);
    await memory.sample();
    const own = memory.megabytes;
    expect(own).toBeGreaterThan(20);
    pid = 2 ** 30;
    await memory.sample();
    expect(memory.megabytes).toBe(own);
  });
});
