import { readFile } from 'node:fs/promises';
import { generateKey } from '../config/key-ring.ts';
import { demoEnvironment } from '../cli/demo/environment.ts';
import { API_KEY_FILE } from '../cli/client-options.ts';
import { saidReady } from '../cli/processes/ready-file.ts';
import { answersAt, startOuthaulProcess } from '../cli/stack/outhaul-process.ts';
import type { Service } from '../cli/stack/service.ts';
import type { DataFolder } from '../embedded/data-folder.ts';
import { freePort, startPostgres } from '../embedded/index.ts';
import { WORKER_ENVIRONMENT } from '../workers/memory.ts';
import { openNetwork, type Lines } from './network.ts';
import { PageLog } from './pages.ts';
import type { Pair, ProcessKind } from './plan.ts';
import type { Proxy } from './proxy.ts';
import { openSimulator, type SimulatedTenant, type TenantSize } from './simulator.ts';
import { openReceivers, type Receivers } from './receivers.ts';
import { Subject } from './subject.ts';
import type { TemporalKind } from './temporal.ts';

export interface StageOptions {
  readonly folder: DataFolder;
  readonly workers: number;
  readonly tenant: TenantSize;
  readonly temporal: TemporalKind;
  /** Whether there are receivers to hand mail on to. */
  readonly deliver: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** The whole product in processes of its own, with a piece of network between each two that can be cut. */
export interface Stage {
  readonly simulator: SimulatedTenant;
  readonly pages: PageLog;
  readonly keys: string;
  readonly receivers: Receivers | undefined;
  subject(kind: ProcessKind, worker: number): Subject;
  proxy(pair: Pair, worker: number): Proxy;
  /** Every process but the simulator, in the order in which they can be stopped. */
  readonly subjects: readonly Subject[];
  /** Past every proxy. */
  readonly databaseUrl: () => string;
  /** Where the API listens now, past every proxy. */
  readonly api: () => { readonly url: string; readonly key: string };
  readonly stop: () => Promise<void>;
  /** Ends everything at once. */
  readonly end: () => void;
}

/** Many pages from little mail, few mailboxes at a time: there is always something to interrupt. */
const SETTINGS = { BATCH_SIZE: '20', MAX_WORKERS: '6', LOG_LEVEL: 'info', NODE_ENV: 'production' };

/** Starts everything; where that fails, what was started is ended. */
export async function openStage(options: StageOptions): Promise<Stage> {
  const ends: (() => void)[] = [];
  try {
    return await open(options, ends);
  } catch (error) {
    for (const end of ends.reverse()) end();
    throw error;
  }
}

async function open(options: StageOptions, ends: (() => void)[]): Promise<Stage> {
  const { folder, say, signal } = options;
  const env = demoEnvironment(process.env);
  const simulator = await openSimulator(options.tenant, { folder, env, say, signal });
  ends.push(() => simulator.end());
  const { seed } = options.tenant;
  const receivers = options.deliver ? await openReceivers({ folder, env, seed, say }) : undefined;
  ends.push(() => receivers?.end());
  const at = { postgres: '', temporal: 0, api: 0 };
  const supervise = async (name: string, start: () => Promise<Service>): Promise<Subject> => {
    const subject = new Subject({ name, start, say });
    ends.push(() => subject.end());
    await subject.start();
    return subject;
  };
  const postgres = await supervise('PostgreSQL', async () => {
    const started = await startPostgres({ dataDir: folder.postgresDir, log: () => undefined, signal });
    at.postgres = started.url;
    return started;
  });
  const startTemporal = await options.temporal({ folder, env, say, signal, databaseUrl: () => at.postgres });
  const temporal = await supervise('Temporal', async () => {
    const started = await startTemporal();
    at.temporal = Number(started.address.split(':')[1]);
    return started;
  });

  const pages = new PageLog();
  const portOf = (url: string): number => Number(new URL(url).port);
  const network = await openNetwork(
    {
      postgres: () => portOf(at.postgres),
      temporal: () => at.temporal,
      graph: () => portOf(simulator.url),
      api: () => at.api,
    },
    pages,
  );
  const keys = generateKey();
  const environment = (lines: Lines): NodeJS.ProcessEnv => ({
    ...{ ...env, ...SETTINGS, OUTHAUL_KEYS: keys, OUTHAUL_BLOBS_DIR: folder.path('blobs') },
    ...reached(lines, at.postgres),
    OUTHAUL_PUBLIC_URL: `http://127.0.0.1:${network.front.port}`,
  });
  const apiLines = await network.lines();
  const api = await supervise('the API', async () => {
    at.api = await freePort();
    return startApi(options, at.api, environment(apiLines));
  });
  const workers: { readonly subject: Subject; readonly lines: Lines }[] = [];
  for (let number = 1; number <= options.workers; number++) {
    const lines = await network.lines();
    const start = (): Promise<Service> => startWorker(options, number, environment(lines));
    workers.push({ subject: await supervise(`worker ${number}`, start), lines });
  }
  const key = await untilWritten(folder.path(API_KEY_FILE));
  const nth = (worker: number): (typeof workers)[number] => workers[worker % workers.length]!;
  const subjects = [api, ...workers.map(({ subject }) => subject), temporal, postgres];
  return {
    ...{ simulator, pages, keys, receivers, subjects },
    subject: (kind, worker) =>
      kind === 'worker' ? nth(worker).subject : present({ api, postgres, temporal, ...receivers }[kind]),
    proxy(pair, worker) {
      if (pair === 'graph-api') return network.front;
      if (pair === 'worker-redis') return present(receivers?.lines.redis);
      if (pair === 'worker-utility') return present(receivers?.lines.utility);
      const [from, to] = pair.split('-') as ['worker' | 'api', keyof Lines];
      return (from === 'api' ? apiLines : nth(worker).lines)[to];
    },
    databaseUrl: () => at.postgres,
    api: () => ({ url: `http://127.0.0.1:${at.api}`, key }),
    async stop() {
      for (const subject of subjects) await subject.stop();
      await simulator.stop();
      await receivers?.close();
      await network.close();
    },
    end() {
      for (const end of ends) end();
    },
  };
}

function present<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('The plan is of a run with receivers, and there are none');
  return part;
}

const startApi = ({ folder, say, signal }: StageOptions, port: number, env: NodeJS.ProcessEnv): Promise<Service> =>
  startOuthaulProcess({
    name: 'The API',
    args: ['api', '--admin-key-file', folder.path(API_KEY_FILE)],
    env: { ...env, PORT: String(port) },
    logFile: folder.path('logs/api.log'),
    isReady: answersAt(`http://127.0.0.1:${port}/health`),
    ...{ say, signal },
  });

function startWorker(options: StageOptions, number: number, env: NodeJS.ProcessEnv): Promise<Service> {
  const { folder, say, signal } = options;
  const readyFile = folder.path(`worker-${number}-ready`);
  return startOuthaulProcess({
    name: `Worker ${number}`,
    args: ['worker', '--ready-file', readyFile],
    env: { ...WORKER_ENVIRONMENT, ...env },
    logFile: folder.path(`logs/worker-${number}.log`),
    isReady: ({ pid }) => saidReady(readyFile, pid),
    ...{ say, signal },
  });
}

/** Where a process finds the others, each at the end of a line. */
function reached({ temporal, postgres, graph }: Lines, postgresUrl: string): NodeJS.ProcessEnv {
  const database = new URL(postgresUrl);
  database.port = String(postgres.port);
  const graphUrl = `http://127.0.0.1:${graph.port}`;
  return {
    DATABASE_URL: database.href,
    TEMPORAL_ADDRESS: `127.0.0.1:${temporal.port}`,
    TEMPORAL_NAMESPACE: 'default',
    OUTLOOK_API_BASE_URL: graphUrl,
    OUTHAUL_AUTHORITY_URL: graphUrl,
  };
}

const KEY_ATTEMPTS = 600;

async function untilWritten(file: string): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if (attempt === KEY_ATTEMPTS) throw error;
      return '';
    });
    if (text.trim() !== '') return text.trim();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
