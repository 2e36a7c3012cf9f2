import '../provided.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, vi } from 'vitest';
import { startApi, type RunningApi } from '../../api/main.ts';
import { compareWithTruth, type Comparison } from '../../cli/demo/comparison.ts';
import { openTruth } from '../../cli/demo/truth.ts';
import { loadConfig } from '../../config/config.ts';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import {
  freePort,
  startPostgres,
  startTemporal,
  type EmbeddedPostgres,
  type EmbeddedTemporal,
} from '../../embedded/index.ts';
import { isFinal, type ScanStatus } from '../../model/scan.ts';
import { startSimulator, type Simulator, type TenantOptions } from '../../simulator/index.ts';
import { closeDatabase, openDatabase } from '../../store/database.ts';
import { emailsById } from '../../store/email-lookup.ts';
import { organizationOf } from '../../store/organizations.ts';
import { startOuthaul, type Outhaul } from '../cli/outhaul-process.ts';

export const ORGANIZATION = 'harbour';
const silent = pino({ level: 'silent' });
const quiet = (): void => undefined;

/**
 * The whole product for one test: a PostgreSQL and a Temporal server of its own, which the test may kill, a simulated
 * tenant, the API, and workers as processes.
 */
export interface Stage {
  readonly simulator: Simulator;
  readonly services: { postgres: EmbeddedPostgres; temporal: EmbeddedTemporal };
  /** Starts the service again, on the same data and port; the API is stopped before. */
  restart(service: 'postgres' | 'temporal' | 'api'): Promise<void>;
  /** Starts the API as a process, in place of the one within the test, or of an earlier process that has ended. */
  startApiProcess(): Promise<Outhaul>;
  startWorker(env?: NodeJS.ProcessEnv): Outhaul;
  /** Kills every worker that was started. */
  killWorkers(): void;
  /** Starts a command that is a client of the API, with an administrator's key. */
  startClient(...args: readonly string[]): Outhaul;
  call(method: string, path: string, body?: object): Promise<{ status: number; answer: Record<string, unknown> }>;
  /** Starts a scan of all folders; the answer must be 202. */
  startScan(scanId: string, auth?: object): Promise<void>;
  /** Waits until the scan has ended, and returns its status. */
  ended(scanId: string): Promise<Record<string, unknown>>;
  /** Compares every field of every message with the ground truth, the scan that stored it included where it is named. */
  compare(scanId?: string): Promise<Comparison>;
  close(): Promise<void>;
}

/** @param settings more of the environment, of API and workers alike */
export async function openStage(tenant: TenantOptions, settings: Record<string, string> = {}): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'outhaul-e2e-'));
  const ports = { postgres: await freePort(), temporal: await freePort(), api: await freePort() };
  const start = {
    postgres: () => startPostgres({ dataDir: join(folder, 'postgres'), port: ports.postgres, log: quiet }),
    temporal: () =>
      startTemporal({
        dataDir: join(folder, 'temporal'),
        port: ports.temporal,
        uiPort: false,
        searchAttributes: { OrganizationId: 'Keyword', ScanId: 'Keyword' },
        log: quiet,
      }),
  };
  const [postgres, temporal, simulator] = await Promise.all([
    start.postgres(),
    start.temporal(),
    startSimulator({ tenant: { specialUsers: false, ...tenant } }),
  ]);
  const services = { postgres, temporal };
  const environment = {
    DATABASE_URL: postgres.url,
    TEMPORAL_ADDRESS: temporal.address,
    OUTHAUL_BLOBS_DIR: join(folder, 'blobs'),
    OUTHAUL_KEYS: generateKey(),
    OUTLOOK_API_BASE_URL: simulator.url,
    OUTHAUL_AUTHORITY_URL: simulator.url,
    PORT: String(ports.api),
    OUTHAUL_PUBLIC_URL: `http://127.0.0.1:${ports.api}`,
    ...settings,
  };
  const startIt = (): Promise<RunningApi> => startApi({ config: loadConfig(environment).config, log: silent });
  let api: RunningApi | undefined = await startIt();
  const { url, adminKey: key = '' } = api;
  const workers: Outhaul[] = [];
  const processes: Outhaul[] = [];
  const stage: Stage = {
    simulator,
    services,
    async restart(service) {
      if (service === 'postgres') services.postgres = await start.postgres();
      if (service === 'temporal') services.temporal = await start.temporal();
      if (service !== 'api') return;
      await api?.close();
      api = await startIt();
    },
    async startApiProcess() {
      await api?.close();
      api = undefined;
      const started = startOuthaul(['api'], environment);
      processes.push(started);
      await vi.waitFor(async () => expect((await fetch(`${url}/health`)).status).toBe(200), { timeout: 60_000 });
      return started;
    },
    startWorker(env = {}) {
      const worker = startOuthaul(['worker'], { ...environment, ...env });
      workers.push(worker);
      return worker;
    },
    killWorkers: () => workers.forEach((worker) => worker.kill('SIGKILL')),
    startClient: (...args) => startOuthaul([...args, '--url', url], { OUTHAUL_API_KEY: key }),
    async call(method, path, body) {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      });
      return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
    },
    async startScan(scanId, auth) {
      const { tenantId, clientId, clientSecret } = simulator;
      const config = { scanId, organizationId: ORGANIZATION, type: ['email'], filters: { folders: ['all'] } };
      const { status, answer } = await stage.call('POST', '/api/v1/scan/start', {
        config: { ...config, auth: auth ?? { tenantId, clientId, clientSecret } },
      });
      if (status !== 202) throw new Error(`the scan was not started: ${status} ${JSON.stringify(answer)}`);
    },
    ended: (scanId) =>
      vi.waitFor(
        async () => {
          const { answer } = await stage.call('GET', `/api/v1/scan/${scanId}/status`);
          if (!isFinal(answer['status'] as ScanStatus)) throw new Error(`the scan is ${JSON.stringify(answer)}`);
          return answer;
        },
        { timeout: 150_000, interval: 100 },
      ),
    compare: (scanId) => compareStored(stage, environment, scanId),
    async close() {
      for (const each of [...workers, ...processes]) each.kill('SIGKILL');
      await Promise.all([...workers, ...processes].map(({ ended }) => ended));
      await api?.close();
      await Promise.all([simulator.close(), services.postgres.stop(), services.temporal.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
  return stage;
}

async function compareStored(
  { simulator }: Stage,
  { DATABASE_URL: url, OUTHAUL_KEYS: keys }: { DATABASE_URL: string; OUTHAUL_KEYS: string },
  scanId?: string,
): Promise<Comparison> {
  const db = openDatabase({ url, poolSize: 2, sealer: parseKeyRing(keys), log: silent });
  try {
    const organization = await organizationOf(db, ORGANIZATION);
    const truth = openTruth(simulator.url, new AbortController().signal);
    const { tenantId } = simulator;
    return await compareWithTruth({
      truth: truth.batches(await truth.mailboxes(), { tenantId, ...(scanId !== undefined && { scanId }) }),
      lookUp: (mailboxId, ids) => emailsById(db, organization, { mailboxId, ids }),
    });
  } finally {
    await closeDatabase(db);
  }
}
