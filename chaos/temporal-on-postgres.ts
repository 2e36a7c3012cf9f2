import { randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { TemporalStartError } from '../embedded/errors.ts';
import { spawnGuarded } from '../embedded/guarded-process.ts';
import { openLog } from '../embedded/log-file.ts';
import { isPortFree } from '../embedded/ports.ts';
import { runCommand } from '../embedded/run-command.ts';
import { untilReady } from '../embedded/service-ready.ts';
import { askTemporal, ensureSearchAttributes } from '../embedded/temporal-namespace.ts';
import { openProxy } from './proxy.ts';
import { SEARCH_ATTRIBUTES, type TemporalKind, type TemporalService } from './temporal.ts';

const NAMESPACE = 'default';
const READY_MS = 120_000;
const DATABASES = [
  { database: 'temporal', schema: 'temporal' },
  { database: 'temporal_visibility', schema: 'visibility' },
] as const;
const SERVICES = ['frontend', 'history', 'matching', 'worker'] as const;

/** How PostgreSQL is reached. */
interface Database {
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/**
 * A full Temporal server, all four services in one process, that keeps its data in the PostgreSQL of the run.
 * @param programs the folder with `server` and `sql`, built from `go.temporal.io/server`
 */
export const serverOnPostgres =
  (programs: string): TemporalKind =>
  async ({ folder, say, signal, databaseUrl }) => {
    // PostgreSQL may come back on another port.
    const proxy = await openProxy({ upstreamPort: () => Number(new URL(databaseUrl()).port) });
    const { username, password } = new URL(databaseUrl());
    const database = { port: proxy.port, user: decodeURIComponent(username), password: decodeURIComponent(password) };
    await makeSchemas(join(programs, 'sql'), database, signal);
    const place = folder.path('temporal-server');
    await mkdir(place, { mode: 0o700 });
    const ports = await portsOfServices();
    const configFile = join(place, 'server.yaml');
    const dynamicFile = join(place, 'dynamic.yaml');
    await writeFile(dynamicFile, '{}\n');
    // JSON is YAML.
    await writeFile(configFile, JSON.stringify(serverConfig(database, ports, dynamicFile)), { mode: 0o600 });

    return async (): Promise<TemporalService> => {
      const serverLog = await openLog(join(place, 'temporal.log'));
      const server = await spawnGuarded({
        command: join(programs, 'server'),
        args: ['--config-file', configFile, '--allow-no-auth', 'start'],
        env: { PATH: process.env['PATH'] },
        output: serverLog.handle.fd,
      }).finally(() => serverLog.handle.close());
      const stop = async (): Promise<void> =>
        void (await server.stop([
          ['SIGTERM', 15_000],
          ['SIGKILL', 5_000],
        ]));
      try {
        const connection = await untilReady({
          ...{ name: 'The Temporal server', server, serverLog, timeoutMs: READY_MS, log: say, signal },
          ask: () => askForNamespace(ports.frontend.grpc),
          failure: TemporalStartError,
        });
        await connection.close();
      } catch (error) {
        await stop();
        throw error;
      }
      const { pid, exited, kill } = server;
      return { address: `127.0.0.1:${ports.frontend.grpc}`, pid, exited, kill, stop, lastLines: serverLog.lastLines };
    };
  };

/** The connection once the namespace and its search attributes are there, or why they are not; makes what is missing. */
async function askForNamespace(port: number): Promise<Connection | Error> {
  const answer = await askTemporal(port, NAMESPACE);
  try {
    if (!(answer instanceof Error)) {
      await ensureSearchAttributes(answer, NAMESPACE, SEARCH_ATTRIBUTES);
      return answer;
    }
    if (!/not ?found/i.test(answer.message)) return answer;
    const connection = await Connection.connect({ address: `127.0.0.1:${port}` });
    await connection.workflowService
      .registerNamespace({
        namespace: NAMESPACE,
        workflowExecutionRetentionPeriod: msToTs('1 day'),
      })
      .finally(() => connection.close());
    return answer;
  } catch (error) {
    if (!(answer instanceof Error)) await answer.close();
    return error as Error;
  }
}

async function makeSchemas(tool: string, { port, user, password }: Database, signal: AbortSignal): Promise<void> {
  const env = {
    PATH: process.env['PATH'],
    SQL_PLUGIN: 'postgres12',
    SQL_HOST: '127.0.0.1',
    SQL_PORT: String(port),
    SQL_USER: user,
    SQL_PASSWORD: password,
  };
  for (const { database, schema } of DATABASES) {
    for (const args of [
      ['create-database'],
      ['setup-schema', '-v', '0.0'],
      ['update-schema', '--schema-name', `postgresql/v12/${schema}`],
    ]) {
      const { ok, output } = await runCommand({ command: tool, args: ['--db', database, ...args], env, signal });
      if (!ok) throw new TemporalStartError(`The schema ${database} of Temporal cannot be made:\n${output}`);
    }
  }
}

type Ports = Record<(typeof SERVICES)[number], { readonly grpc: number; readonly membership: number }>;

/**
 * The server keeps ports in a `smallint`. Below those that connections get by chance, they stay free while it is away.
 */
async function portsOfServices(): Promise<Ports> {
  const ports: Record<string, Ports['frontend']> = {};
  let next = randomInt(10_000, 30_000);
  const free = async (): Promise<number> => {
    while (!(await isPortFree(++next)));
    return next;
  };
  for (const service of SERVICES) ports[service] = { grpc: await free(), membership: await free() };
  return ports as Ports;
}

/** https://docs.temporal.io/references/configuration */
function serverConfig({ port, user, password }: Database, ports: Ports, dynamicFile: string): object {
  const store = (databaseName: string, connections: number): object => ({
    sql: {
      pluginName: 'postgres12',
      databaseName,
      connectAddr: `127.0.0.1:${port}`,
      connectProtocol: 'tcp',
      ...{ user, password },
      ...{ maxConns: connections, maxIdleConns: connections, maxConnLifetime: '1h' },
    },
  });
  const service = ({ grpc, membership }: Ports['frontend']): object => ({
    rpc: { grpcPort: grpc, membershipPort: membership, bindOnLocalHost: true },
  });
  const rpcAddress = `127.0.0.1:${ports.frontend.grpc}`;
  return {
    log: { stdout: true, level: 'warn' },
    persistence: {
      ...{ defaultStore: 'default', visibilityStore: 'visibility', numHistoryShards: 4 },
      datastores: { default: store('temporal', 20), visibility: store('temporal_visibility', 10) },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
    services: Object.fromEntries(SERVICES.map((name) => [name, service(ports[name])])),
    clusterMetadata: {
      ...{ enableGlobalNamespace: false, failoverVersionIncrement: 10 },
      ...{ masterClusterName: 'active', currentClusterName: 'active' },
      clusterInformation: {
        active: { enabled: true, initialFailoverVersion: 1, rpcName: 'frontend', rpcAddress },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    dynamicConfigClient: { filepath: dynamicFile, pollInterval: '10s' },
  };
}
