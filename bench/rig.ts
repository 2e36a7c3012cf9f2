import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import pg from 'pg';
import { pino } from 'pino';
import { startApi } from '../api/main.ts';
import { cacheDir, loadConfig } from '../config/config.ts';
import { generateKey, parseKeyRing } from '../config/key-ring.ts';
import { findTemporalBinary, freePort, startPostgres, startTemporal } from '../embedded/index.ts';
import { taskQueues } from '../model/task-queues.ts';
import type { SimulatorOptions } from '../simulator/index.ts';
import { createTemporalClient } from '../temporal/connection.ts';
import { WORKER_ENVIRONMENT } from '../workers/memory.ts';
import { usageOf, type Usage } from './usage.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A simulated tenant in a process of its own. */
export interface SimulatedTenant {
  readonly url: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  close(): Promise<void>;
}

export interface RunningWorker {
  readonly pid: number;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

/** The stack that benchmarks run on, as `outhaul up` runs it: embedded PostgreSQL and Temporal with default settings. */
export interface Rig {
  readonly databaseUrl: string;
  /** Of the API, which runs in this process. */
  readonly apiUrl: string;
  readonly temporal: Client;
  /** A worker in a process of its own, set for a tenant. */
  startWorker(tenant: SimulatedTenant, settings: Record<string, string>): Promise<RunningWorker>;
  /** Brings PostgreSQL to rest, so that nobody pays for the work of the measurement before. */
  settle(): Promise<void>;
  /** Calls the API as an administrator. */
  call(method: string, path: string, body?: object): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

/** @param settings more of the environment of API and workers */
export async function openRig(log: (line: string) => void, settings: Record<string, string> = {}): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), 'outhaul-bench-'));
  const { path: binary } = await findTemporalBinary({ cacheDir: cacheDir(process.env), env: process.env, log });
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), log });
  const server = await startTemporal({
    dataDir: join(folder, 'temporal'),
    binary,
    uiPort: false,
    searchAttributes: { OrganizationId: 'Keyword', ScanId: 'Keyword' },
    log,
  });
  const port = await freePort();
  const environment = {
    HOME: process.env['HOME'],
    PATH: process.env['PATH'],
    DATABASE_URL: postgres.url,
    TEMPORAL_ADDRESS: server.address,
    OUTHAUL_BLOBS_DIR: join(folder, 'blobs'),
    OUTHAUL_KEYS: generateKey(),
    LOG_LEVEL: 'warn',
    NODE_ENV: 'production',
    OUTHAUL_PUBLIC_URL: `http://127.0.0.1:${port}`,
    ...settings,
  };
  const silent = pino({ level: 'silent' });
  const { config } = loadConfig({ ...environment, PORT: String(port) });
  const api = await startApi({ config, log: silent });
  const address = { address: server.address, namespace: 'default' };
  const temporal = await createTemporalClient(address, parseKeyRing(environment.OUTHAUL_KEYS));
  return {
    databaseUrl: postgres.url,
    apiUrl: api.url,
    temporal,
    async startWorker({ url }, more) {
      const child = spawn(process.execPath, [here('../../bin/outhaul.js'), 'worker'], {
        env: {
          ...environment,
          OUTLOOK_API_BASE_URL: url,
          OUTHAUL_AUTHORITY_URL: url,
          ...WORKER_ENVIRONMENT,
          ...more,
        },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const gone = once(child, 'exit');
      await until(async () => {
        if (child.exitCode !== null) throw new Error(`The worker ended with ${child.exitCode} before it was ready`);
        return (await isPolledBy(child.pid, temporal)) ? true : undefined;
      }, 50);
      const { pid = 0 } = child;
      return {
        pid,
        usage: () => usageOf(pid),
        async stop() {
          child.kill('SIGTERM');
          await gone;
        },
      };
    },
    async settle() {
      const client = new pg.Client(postgres.url);
      await client.connect();
      try {
        await client.query('DROP TABLE IF EXISTS raw_emails');
        const { rows } = await client.query<{ schema: string }>(
          "SELECT nspname AS schema FROM pg_namespace WHERE nspname LIKE 'outlook\\_emails\\_%'",
        );
        for (const { schema } of rows) await client.query(`TRUNCATE ${client.escapeIdentifier(schema)}.emails`);
        await client.query('CHECKPOINT');
      } finally {
        await client.end();
      }
    },
    async call(method, path, body) {
      const response = await fetch(`${api.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${api.adminKey ?? ''}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      });
      const answer = (await response.json()) as Record<string, unknown>;
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
      return answer;
    },
    async close() {
      await api.close();
      await temporal.connection.close();
      await server.stop();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Whether the worker process asks for work. The server remembers pollers that have gone, so its own is looked for. */
async function isPolledBy(pid: number | undefined, { workflowService, options }: Client): Promise<boolean> {
  const answer = await workflowService.describeTaskQueue({
    namespace: options.namespace,
    taskQueue: { name: taskQueues('outhaul').orchestration },
    taskQueueType: proto.temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
  });
  return answer.pollers.some(({ identity }) => identity?.startsWith(`${pid}@`));
}

/** Starts a simulated tenant; its process ends with ours. */
export async function simulate(options: SimulatorOptions): Promise<SimulatedTenant> {
  const child: ChildProcess = fork(here('./simulator-process.js'), [JSON.stringify(options)]);
  const [tenant] = (await once(child, 'message')) as [Omit<SimulatedTenant, 'close'>];
  return {
    ...tenant,
    async close() {
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}

/** Polls until `ready` gives a value. */
export async function until<T>(ready: () => Promise<T | undefined>, everyMs: number): Promise<T> {
  for (;;) {
    const value = await ready();
    if (value !== undefined) return value;
    await delay(everyMs);
  }
}
