import type { Config } from '../../config/config.ts';
import type { DataFolder } from '../../embedded/data-folder.ts';
import { WORKER_ENVIRONMENT } from '../../workers/memory.ts';
import { API_KEY_FILE } from '../client-options.ts';
import type { Interrupts } from '../interrupts.ts';
import { saidReady } from '../processes/ready-file.ts';
import { adminKeyReader, type AdminKey } from './admin-key.ts';
import { keepRunning, type KeptService } from './keep-running.ts';
import { openKeyRing, type StackKeyRing } from './key-ring-file.ts';
import { answersAt, startOuthaulProcess, type OuthaulProcessOptions } from './outhaul-process.ts';
import type { Service } from './service.ts';
import { startServices, type Services } from './services.ts';
import { createStops, startTogether } from './stops.ts';

export interface StackOptions {
  readonly config: Config;
  /** What the API and the worker get as their environment, beside what they need of this stack. */
  readonly env: NodeJS.ProcessEnv;
  readonly folder: DataFolder;
  /** Where the API listens: free, or it does not start. */
  readonly apiPort: number;
  readonly temporalPort?: number | undefined;
  readonly uiPort?: number | undefined;
  /** Which installation's task queues to use. Default: `outhaul`. */
  readonly taskQueues?: string | undefined;
  readonly say: (line: string) => void;
  readonly interrupts: Interrupts;
}

/** Everything that one machine runs, in processes of their own that end with ours, however that ends. */
export interface Stack {
  readonly apiUrl: string;
  readonly services: Services;
  readonly keys: StackKeyRing;
  /** Undefined where the API asks for no key. */
  readonly adminKey: AdminKey | undefined;
  readonly api: KeptService<Service>;
  readonly worker: KeptService<Service>;
  /** In order: the API, the worker (which hands back its work), Temporal, PostgreSQL. Idempotent. */
  readonly stop: () => Promise<void>;
}

/** Starts the stack; where that fails or is interrupted, what was started is stopped. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { config, folder, apiPort, say, interrupts } = options;
  const { signal } = interrupts;
  const stops = createStops();
  try {
    const keys = await openKeyRing(config.keysFile ?? folder.keysFile, config.keys);
    const apiUrl = `http://${loopback(config.http.host)}:${apiPort}`;
    const services = await startServices({ ...options, codecEndpoint: `${apiUrl}/codec`, signal });
    stops.add(services.stop);
    interrupts.atOnce(services.killAtOnce);
    const env = environmentOf(options, services, keys);

    const readyFile = folder.path('worker-ready');
    const keyReader = await adminKeyReader(folder.path(API_KEY_FILE));
    say('Starting the API and the worker');
    const [worker, api] = await startTogether<[KeptService<Service>, KeptService<Service>]>(
      [
        keep(
          options,
          { ...WORKER_ENVIRONMENT, ...env },
          {
            command: 'worker',
            args: ['--ready-file', readyFile],
            isReady: ({ pid }) => saidReady(readyFile, pid),
          },
        ),
        keep(options, env, {
          command: 'api',
          args: ['--admin-key-file', keyReader.file],
          isReady: answersAt(`${apiUrl}/health`),
        }),
      ],
      signal,
    );
    stops.add(worker.stop);
    stops.add(api.stop);
    interrupts.atOnce(() => [api, worker].forEach(({ current }) => current.kill('SIGKILL')));
    const adminKey = config.http.auth === 'none' ? undefined : await keyReader.untilValid(apiUrl, signal);
    return { apiUrl, services, keys, adminKey, api, worker, stop: stops.all };
  } catch (error) {
    await stops.all();
    throw error;
  }
}

interface OwnProcess extends Pick<OuthaulProcessOptions, 'isReady'> {
  readonly command: 'api' | 'worker';
  readonly args: readonly string[];
}

const keep =
  ({ folder, taskQueues, say }: StackOptions, env: NodeJS.ProcessEnv, { command, args, isReady }: OwnProcess) =>
  (signal: AbortSignal): Promise<KeptService<Service>> => {
    const name = command === 'api' ? 'The API' : 'The worker';
    const queues = taskQueues === undefined ? [] : ['--task-queues', taskQueues];
    return keepRunning({
      name,
      start: (abort) =>
        startOuthaulProcess({
          name,
          args: [command, ...args, ...queues],
          env,
          logFile: folder.path(`logs/${command}.log`),
          isReady,
          say,
          signal: abort,
        }),
      signal,
      say,
    });
  };

function environmentOf(
  { config, env, folder, apiPort }: StackOptions,
  services: Services,
  { file }: StackKeyRing,
): NodeJS.ProcessEnv {
  return {
    ...env,
    DATABASE_URL: services.databaseUrl,
    TEMPORAL_ADDRESS: services.temporalAddress,
    ...(services.temporalUiUrl && { TEMPORAL_UI_URL: services.temporalUiUrl }),
    ...(file !== undefined && { OUTHAUL_KEYS_FILE: file }),
    OUTHAUL_BLOBS_DIR: env['OUTHAUL_BLOBS_DIR'] || folder.path('blobs'),
    HOST: config.http.host,
    PORT: String(apiPort),
  };
}

/** A client on this machine cannot call the address that stands for all addresses. */
const loopback = (host: string): string => (['0.0.0.0', '::', ''].includes(host) ? '127.0.0.1' : host);
