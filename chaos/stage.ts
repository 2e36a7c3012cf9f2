import { readFile } from 'node:fs/promises';
import { generateKey } from '../config/key-ring.ts';
import { demoEnvironment } from '../cli/demo/environment.ts';
import { API_KEY_FILE } from '../cli/client-options.ts';
import { saidReady } from '../cli/processes/ready-file.ts';
import { answersAt, startOuthaulProcess } from '../cli/stack/outhaul-process.ts';
import type { DataFolder } from '../embedded/data-folder.ts';
import { freePort, startPostgres } from '../embedded/index.ts';
import { WORKER_ENVIRONMENT } from '../workers/memory.ts';
import { PageLog } from './pages.ts';
import type { Pair, ProcessKind } from './plan.ts';
import { openProxy, type Proxy } from './proxy.ts';
import { openSimulator, type SimulatedTenant, type TenantSize } from './simulator.ts';
import { Subject } from './subject.ts';
import type { TemporalKind } from './temporal.ts';

export interface StageOptions {
  readonly folder: DataFolder;
  readonly workers: number;
  readonly tenant: TenantSize;
  readonly temporal: TemporalKind;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** The whole product in processes of its own, with a piece of network between each two that can be cut. */
export interface Stage {
  readonly simulator: SimulatedTenant;
  readonly pages: PageLog;
  readonly keys: string;
  subject(kind: ProcessKind, worker: number): Subject;
  proxy(pair: Pair, worker: number): Proxy;
  /** Every process but the simulator. */
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
  const keys = generateKey();
  const at = { postgres: '', temporal: 0, api: 0 };

  const supervise = async (name: string, start: () => ReturnType<SubjectStart>): Promise<Subject> => {
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
  const upstreams: Record<'postgres' | 'temporal' | 'graph', () => number> = {
    postgres: () => Number(new URL(at.postgres).port),
    temporal: () => at.temporal,
    graph: () => Number(new URL(simulator.url).port),
  };
  // Graph's links name the host that was asked, so that all workers must know it under one name.
  const graph = await openProxy({ upstreamPort: upstreams.graph, tap: () => pages.tap() });
  // Where Graph sends its notifications, wherever the API listens.
  const front = await openProxy({ upstreamPort: () => at.api });
  const networkOfOne = async (): Promise<Network> => ({
    temporal: await openProxy({ upstreamPort: upstreams.temporal }),
    postgres: await openProxy({ upstreamPort: upstreams.postgres }),
    graph,
  });
  const environment = ({ temporal, postgres, graph }: Network): NodeJS.ProcessEnv => {
    const database = new URL(at.postgres);
    database.port = String(postgres.port);
    const graphUrl = `http://127.0.0.1:${graph.port}`;
    return {
      ...env,
      ...SETTINGS,
      DATABASE_URL: database.href,
      TEMPORAL_ADDRESS: `127.0.0.1:${temporal.port}`,
      TEMPORAL_NAMESPACE: 'default',
      OUTLOOK_API_BASE_URL: graphUrl,
      OUTHAUL_AUTHORITY_URL: graphUrl,
      OUTHAUL_KEYS: keys,
      OUTHAUL_PUBLIC_URL: `http://127.0.0.1:${front.port}`,
    };
  };

  const apiNetwork = await networkOfOne();
  const keyFile = folder.path(API_KEY_FILE);
  const api = await supervise('the API', async () => {
    at.api = await freePort();
    return startOuthaulProcess({
      name: 'The API',
      args: ['api', '--admin-key-file', keyFile],
      env: { ...environment(apiNetwork), PORT: String(at.api) },
      logFile: folder.path('logs/api.log'),
      isReady: answersAt(`http://127.0.0.1:${at.api}/health`),
      ...{ say, signal },
    });
  });
  const networks: Network[] = [];
  const workers: Subject[] = [];
  for (let number = 1; number <= options.workers; number++) {
    const network = await networkOfOne();
    networks.push(network);
    const readyFile = folder.path(`worker-${number}-ready`);
    const start = (): ReturnType<SubjectStart> =>
      startOuthaulProcess({
        name: `Worker ${number}`,
        args: ['worker', '--ready-file', readyFile],
        env: { ...WORKER_ENVIRONMENT, ...environment(network) },
        logFile: folder.path(`logs/worker-${number}.log`),
        isReady: ({ pid }) => saidReady(readyFile, pid),
        ...{ say, signal },
      });
    workers.push(await supervise(`worker ${number}`, start));
  }
  const key = await untilWritten(keyFile);
  const subjects = [...workers, api, temporal, postgres];
  return {
    ...{ simulator, pages, keys, subjects },
    subject: (kind, worker) =>
      kind === 'worker' ? workers[worker % workers.length]! : { api, postgres, temporal }[kind],
    proxy(pair, worker) {
      if (pair === 'graph-api') return front;
      const [from, to] = pair.split('-') as ['worker' | 'api', keyof Network];
      return (from === 'api' ? apiNetwork : networks[worker % networks.length]!)[to];
    },
    databaseUrl: () => at.postgres,
    api: () => ({ url: `http://127.0.0.1:${at.api}`, key }),
    async stop() {
      for (const subject of [api, ...workers, temporal, postgres]) await subject.stop();
      await simulator.stop();
      await Promise.all(
        [graph, front, ...[apiNetwork, ...networks].flatMap((one) => [one.temporal, one.postgres])].map((proxy) =>
          proxy.close(),
        ),
      );
    },
    end() {
      for (const end of ends) end();
    },
  };
}

type SubjectStart = ConstructorParameters<typeof Subject>[0]['start'];

/** What one process reaches the others through. */
interface Network {
  readonly temporal: Proxy;
  readonly postgres: Proxy;
  readonly graph: Proxy;
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
