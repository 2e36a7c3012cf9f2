import { readFile } from 'node:fs/promises';
import type { Config } from '../../config/config.ts';
import type { DataFolder } from '../../embedded/data-folder.ts';
import { API_KEY_FILE } from '../client-options.ts';
import type { Interrupts } from '../interrupts.ts';
import { keepRunning, type KeptService } from './keep-running.ts';
import { openKeyRing } from './key-ring-file.ts';
import { startOuthaulProcess } from './outhaul-process.ts';
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
  /** Further options of the commands `api` and `worker`. */
  readonly processArgs?: readonly string[];
  readonly say: (line: string) => void;
  readonly interrupts: Interrupts;
}

/** Everything that one machine runs, in processes of their own that end with ours, however that ends. */
export interface Stack {
  readonly apiUrl: string;
  readonly services: Services;
  /** The key ring, as `OUTHAUL_KEYS` has it. */
  readonly keys: string;
  readonly adminKey: { readonly key: string; readonly file: string; readonly isNew: boolean } | undefined;
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
    const { keys, isNew } = await openKeyRing(folder.keysFile, config.keys);
    if (isNew) say(`Made the key file ${folder.keysFile}: without it nobody can open the stored secrets. Back it up.`);
    const services = await startServices({ ...options, signal });
    stops.add(services.stop);
    interrupts.atOnce(services.killAtOnce);
    const env = environmentOf(options, services, keys);

    const keyFile = folder.path(API_KEY_FILE);
    const keyBefore = await readKey(keyFile);
    say('Starting the API and the worker');
    const apiUrl = `http://${loopback(config.http.host)}:${apiPort}`;
    const start = (name: string, args: readonly string[], readyUrl?: string) => (abort: AbortSignal) =>
      keepRunning({
        name: `The ${name}`,
        start: (restart) =>
          startOuthaulProcess({
            name: `The ${name}`,
            args: [name, ...args, ...(options.processArgs ?? [])],
            env,
            logFile: folder.path(`logs/${name}.log`),
            ...(readyUrl !== undefined && { readyUrl }),
            signal: restart,
          }),
        signal: abort,
        say,
      });
    const [worker, api] = await startTogether<[KeptService<Service>, KeptService<Service>]>(
      [start('worker', []), start('api', ['--admin-key-file', keyFile], `${apiUrl}/health`)],
      signal,
    );
    stops.add(worker.stop);
    stops.add(api.stop);
    interrupts.atOnce(() => [api, worker].forEach(({ current }) => current.kill('SIGKILL')));
    const key = await readKey(keyFile);
    return {
      apiUrl,
      services,
      keys,
      adminKey: key === undefined ? undefined : { key, file: keyFile, isNew: key !== keyBefore },
      worker,
      stop: stops.all,
    };
  } catch (error) {
    await stops.all();
    throw error;
  }
}

function environmentOf({ config, env, apiPort }: StackOptions, services: Services, keys: string): NodeJS.ProcessEnv {
  return {
    ...env,
    DATABASE_URL: services.databaseUrl,
    TEMPORAL_ADDRESS: services.temporalAddress,
    ...(services.temporalUiUrl && { TEMPORAL_UI_URL: services.temporalUiUrl }),
    OUTHAUL_KEYS: keys,
    HOST: config.http.host,
    PORT: String(apiPort),
  };
}

/** A client on this machine cannot call the address that stands for all addresses. */
const loopback = (host: string): string => (['0.0.0.0', '::', ''].includes(host) ? '127.0.0.1' : host);

async function readKey(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').then(
    (text) => text.trim(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
}
