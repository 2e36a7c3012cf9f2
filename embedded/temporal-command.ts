import { join } from 'node:path';
import { TemporalStartError } from './errors.ts';
import { spawnGuarded, type GuardedProcess } from './guarded-process.ts';
import type { ServiceLog } from './log-file.ts';
import type { SearchAttributeType } from './temporal-namespace.ts';

/**
 * Dynamic configuration (`temporalio/server` common/dynamicconfig/constants.go). One partition for each task queue and
 * eager activities save round trips on one machine. The request limits are meant for servers that many share.
 */
const DYNAMIC_CONFIG = {
  'matching.enableFairness': true,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'matching.rps': 20_000,
  'history.rps': 20_000,
  'frontend.rps': 20_000,
  'frontend.namespaceRPS': 20_000,
  'frontend.namespaceRPS.visibility': 1_000,
  'system.enableActivityEagerExecution': true,
};

/**
 * Twice as fast as the default, and a killed process loses nothing with it. The log is put into the database at 32 MB in
 * place of 4, for most pages are written again and again.
 */
const SQLITE_PRAGMAS = { journal_mode: 'wal', synchronous: 'normal', wal_autocheckpoint: 8_000 };

/** Goroutines begin with the stack that such have needed so far, and do not grow it in each request. */
const GO_SETTINGS = 'adaptivestackstart=1';

export interface ServerCommand {
  binary: string;
  dataDir: string;
  port: number;
  /** No Web UI where undefined. */
  uiPort: number | undefined;
  uiCodecEndpoint: string | undefined;
  namespace: string;
  searchAttributes: Readonly<Record<string, SearchAttributeType>>;
  serverLog: ServiceLog;
}

/** Spawns the development server; its output goes to the log. */
export async function spawnTemporal(command: ServerCommand): Promise<GuardedProcess> {
  const { binary, serverLog } = command;
  try {
    return await spawnGuarded({
      command: binary,
      args: serverArguments(command),
      env: serverEnvironment(),
      output: serverLog.handle.fd,
    });
  } catch (cause) {
    throw new TemporalStartError(`${binary} cannot be started: ${(cause as Error).message}`, { cause });
  } finally {
    await serverLog.handle.close();
  }
}

function serverArguments(command: ServerCommand): string[] {
  const { port, uiPort, uiCodecEndpoint } = command;
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port)],
    ...(uiPort === undefined ? ['--headless'] : ['--ui-port', String(uiPort), '--ui-disable-news-fetch']),
    ...(uiCodecEndpoint === undefined ? [] : ['--ui-codec-endpoint', uiCodecEndpoint]),
    ...['--db-filename', join(command.dataDir, 'temporal.db')],
    ...pairs('--sqlite-pragma', SQLITE_PRAGMAS),
    ...['--namespace', command.namespace],
    ...pairs('--search-attribute', command.searchAttributes),
    ...pairs('--dynamic-config-value', DYNAMIC_CONFIG),
    ...['--log-level', 'warn', '--disable-config-file', '--disable-config-env'],
  ];
}

function pairs(flag: string, values: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(values).flatMap(([key, value]) => [flag, `${key}=${String(value)}`]);
}

/** TEMPORAL_ADDRESS and friends are meant for clients; the CLI would obey some of them. */
function serverEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('TEMPORAL_'));
  return { GODEBUG: GO_SETTINGS, ...Object.fromEntries(inherited) };
}
