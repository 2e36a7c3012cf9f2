import { appendFileSync } from 'node:fs';
import { Client, Connection } from '@temporalio/client';
import { pino } from 'pino';
import { expect, vi } from 'vitest';
import { usageOf } from '../../bench/usage.ts';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { isFinal, type ScanStatus } from '../../model/scan.ts';
import type { TenantOptions } from '../../simulator/index.ts';
import { closeDatabase, openDatabase } from '../../store/database.ts';
import { countEmails } from '../../store/email-lookup.ts';
import { organizationOf } from '../../store/organizations.ts';
import { createDataConverter } from '../../temporal/data-converter.ts';
import { WORKER_ENVIRONMENT } from '../../workers/memory.ts';
import { openStage, ORGANIZATION, type Stage } from '../e2e/stage.ts';
import { readHistories, type HistoryFigures } from './histories.ts';

export const HOURS = 3_600_000;

/** What something huge came to. */
export interface HugeFigures extends HistoryFigures {
  readonly seconds: number;
  /** Highest resident set of the worker, MB (10^6 bytes). */
  readonly peakRssMb: number;
}

export interface ScanFigures extends HugeFigures {
  /** Highest resident set of the worker when a quarter of the messages was stored, MB. */
  readonly earlyRssMb: number;
  readonly status: Record<string, unknown>;
}

export interface HugeStage extends Stage {
  readonly client: Client;
  /** Waits until the scan has ended and nothing runs any more. */
  measure(scanId: string, messages: number): Promise<ScanFigures>;
  /** Waits until what is waited for is over and nothing runs any more. */
  measureUntil(isOver: () => Promise<boolean>): Promise<HugeFigures>;
  /** Whether every field of every message is as the tenant has it, and no row stands for anything else. */
  expectStored(messages: number, scanId?: string): Promise<void>;
}

/** The stage of the end-to-end tests, with one worker as `outhaul up` starts it. */
export async function openHugeStage(tenant: TenantOptions, settings: Record<string, string> = {}): Promise<HugeStage> {
  const keys = generateKey();
  const stage = await openStage({ oddMessages: false, ...tenant }, { OUTHAUL_KEYS: keys, ...settings });
  const worker = stage.startWorker(WORKER_ENVIRONMENT);
  const connection = await Connection.connect({ address: stage.services.temporal.address });
  const client = new Client({ connection, dataConverter: createDataConverter(parseKeyRing(keys)) });
  const peak = async (): Promise<number> => (await usageOf(worker.pid)).peakRssMb;
  const runsNothing = async (): Promise<boolean> => {
    const query = `OrganizationId = "${ORGANIZATION}" AND ExecutionStatus = "Running"`;
    return (await client.workflow.count(query)).count === 0;
  };
  const measureUntil = async (isOver: () => Promise<boolean>): Promise<HugeFigures> => {
    const since = performance.now();
    await vi.waitUntil(isOver, { timeout: 3 * HOURS, interval: 250 });
    const seconds = Math.round((performance.now() - since) / 1000);
    await vi.waitUntil(runsNothing, { timeout: 120_000, interval: 500 });
    return { seconds, peakRssMb: await peak(), ...(await readHistories(client, ORGANIZATION)) };
  };
  return {
    ...stage,
    client,
    measureUntil,
    async measure(scanId, messages) {
      let [status, earlyRssMb]: [Record<string, unknown>, number] = [{}, 0];
      const isOver = async (): Promise<boolean> => {
        ({ answer: status } = await stage.call('GET', `/api/v1/scan/${scanId}/status`));
        if (Number(status['recordsExtracted']) >= messages / 4) earlyRssMb ||= await peak();
        return isFinal(status['status'] as ScanStatus);
      };
      const figures = await measureUntil(isOver);
      return { earlyRssMb, ...figures, status };
    },
    async expectStored(messages, scanId) {
      const { findings, ...compared } = await stage.compare(scanId);
      const nothingWrong = { messages, stored: messages, missing: 0, duplicated: 0, different: 0 };
      expect(compared, JSON.stringify(findings)).toMatchObject(nothingWrong);
      const sealer = parseKeyRing(keys);
      const log = pino({ level: 'silent' });
      const db = openDatabase({ url: stage.services.postgres.url, poolSize: 1, sealer, log });
      try {
        expect(await countEmails(db, await organizationOf(db, ORGANIZATION))).toBe(messages);
      } finally {
        await closeDatabase(db);
      }
    },
    async close() {
      await connection.close();
      await stage.close();
    },
  };
}

/**
 * What holds whatever the size: a worker under 350 MB, no run of 4,000 events, no payload of 2 KB, a scan's own state
 * under 32 KB. Prints the figures, and adds them to the file that `HUGE_FIGURES` names.
 */
export function expectWithinBounds({ status, ...figures }: HugeFigures & Partial<ScanFigures>): void {
  const line = JSON.stringify({ what: expect.getState().currentTestName, ...figures });
  process.stdout.write(`${line}\n`);
  const file = process.env['HUGE_FIGURES'];
  if (file) appendFileSync(file, `${line}\n`);
  if (status) expect(status).toMatchObject({ status: 'completed' });
  expect(figures.peakRssMb, 'memory of the worker, MB').toBeLessThan(350);
  expect(figures.longest.events, `events of a run of ${figures.longest.type}`).toBeLessThan(4000);
  expect(figures.payload.bytes, `payload of ${figures.payload.where}`).toBeLessThan(2048);
  expect(figures.scanState, "a scan's state").toBeLessThan(32_768);
}

/** Three quarters of the work were done in the memory that the first took, but for a little. */
export function expectFlat({ earlyRssMb, peakRssMb }: ScanFigures): void {
  expect(earlyRssMb).toBeGreaterThan(0);
  expect(peakRssMb, `memory of the worker, which was ${earlyRssMb} MB early on`).toBeLessThan(1.3 * earlyRssMb);
}
