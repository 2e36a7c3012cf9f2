import { controlClient } from '../simulator/control-client.ts';
import type { Stats } from '../simulator/index.ts';
import { openRig, simulate, type Rig } from './rig.ts';
import { scanTenant } from './scan.ts';

/** The part of all requests that fail, and what chooses them. */
const MIXED = { preset: 'mixed', rate: 0.02, seed: 1 };
const TENANT = {
  seed: 7,
  specialUsers: false,
  oddMessages: false,
  mailboxes: 50,
  messagesPerMailbox: 2000,
  folders: 2,
} as const;

/** What 2 % of mixed faults cost. */
export interface FaultsSummary {
  /** Messages a second without faults, and with them. */
  readonly faultFree: number;
  readonly withFaults: number;
  readonly ratio: number;
  /** Requests that a fault has struck, of all. */
  readonly struck: number;
  readonly requests: number;
}

/** The same tenant scanned twice, the second time with two of a hundred requests failing, one way or another. */
export async function benchFaults(note: (line: string) => void): Promise<FaultsSummary> {
  const rig = await openRig(note);
  try {
    note('Warming up …');
    await measured(rig, { mailboxes: 2, messagesPerMailbox: 500 });
    note('50 mailboxes of 2,000, pages of 100, no faults …');
    const clean = await measured(rig, {});
    note('The same, with 2 % of mixed faults …');
    const faulty = await measured(rig, {}, MIXED);
    const { rate: faultFree } = clean;
    const { rate: withFaults, struck, requests } = faulty;
    return { faultFree, withFaults, ratio: Math.round((withFaults / faultFree) * 100) / 100, struck, requests };
  } finally {
    await rig.close();
  }
}

async function measured(
  rig: Rig,
  size: object,
  faults?: object,
): Promise<{ rate: number; struck: number; requests: number }> {
  const simulated = await simulate({ tenant: { ...TENANT, ...size }, latencyMs: 0 });
  const control = controlClient(simulated.url);
  try {
    if (faults) await control('POST', '/faults', faults);
    const { messagesPerSecond } = await scanTenant(rig, simulated, { pageSize: 100 }, false);
    const { value: rules } = await control<{ value: { struck: number }[] }>('GET', '/faults');
    const { requests } = await control<Stats>('GET', '/stats');
    return { rate: messagesPerSecond, struck: rules.reduce((sum, { struck }) => sum + struck, 0), requests };
  } finally {
    await simulated.close();
  }
}
