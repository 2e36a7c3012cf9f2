import '../provided.ts';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { loadConfig } from '../../config/config.ts';
import { generateKey } from '../../config/key-ring.ts';
import { startSimulator, type Simulator } from '../../simulator/index.ts';
import { workerIsPolling } from '../../workers/health.ts';
import { readCompose, type ComposeFile } from './compose-file.ts';

/**
 * What the compose file starts in containers, started here without them: the built commands `api` and `worker`, with
 * the compose file's environment, role and database, against a PostgreSQL and a Temporal server that run apart.
 */
const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const suffix = randomBytes(6).toString('hex');
const role = `role_${suffix}`;
const database = `packaging_${suffix}`;
const password = `it's "${suffix}"`;
const queues = `packaging-${suffix}`;

let folder: string;
let compose: ComposeFile;
let simulator: Simulator;
let environment: NodeJS.ProcessEnv;
const started: OuthaulProcess[] = [];

beforeAll(async () => {
  for (const needed of ['bin/outhaul.js', 'dist/cli/main.js', 'dist/workflow-bundle.js']) {
    if (!existsSync(root(needed))) throw new Error(`${needed} is not there: run "npm run build" first`);
  }
  folder = await mkdtemp(join(tmpdir(), 'outhaul-packaging-'));
  compose = await readCompose(
    { OUTHAUL_KEYS: generateKey(), DB_PASSWORD: password, TEMPORAL_DB_PASSWORD: 'none', POSTGRES_PASSWORD: 'none' },
    new URL('../../docker-compose.yml', import.meta.url),
  );
  await administer(...databaseStatements());
  simulator = await startSimulator({ tenant: { mailboxes: 4, messages: 200, seed: 7 } });
  const { hostname: host, port } = new URL(inject('postgresUrl'));
  environment = {
    DB_HOST: host,
    DB_PORT: port,
    DB_NAME: database,
    DB_USER: role,
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    TEMPORAL_NAMESPACE: inject('temporalNamespace'),
    OUTLOOK_API_BASE_URL: simulator.url,
    OUTHAUL_AUTHORITY_URL: simulator.url,
    HOST: '127.0.0.1',
    PORT: String(await freePort()),
  };
});

afterAll(async () => {
  await Promise.all(started.map((one) => one.end('SIGKILL')));
  await simulator?.close();
  await administer(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`, `DROP ROLE IF EXISTS ${role}`);
  await rm(folder, { recursive: true, force: true });
});

/** The statements that the compose file gives PostgreSQL for Outhaul, with names of this test's own. */
function databaseStatements(): string[] {
  const script = compose.configs?.['databases']?.content ?? '';
  const [, statements = ''] = /<<'SQL'\n([^]*?)\nSQL/.exec(script) ?? [];
  return statements
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement.includes('outhaul'))
    .map((statement) =>
      statement
        .replace(`:'outhaul_password'`, pg.escapeLiteral(password))
        .replace('ROLE outhaul', `ROLE ${role}`)
        .replace('OWNER outhaul', `OWNER ${role}`)
        .replace('DATABASE outhaul', `DATABASE ${database}`),
    );
}

const administer = (...statements: string[]): Promise<void> =>
  withClient('outhaul', async (client) => {
    for (const statement of statements) await client.query(statement);
  });

async function withClient<T>(name: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

interface OuthaulProcess {
  readonly process: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The exit code; null after a signal. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Runs a service of ours as its container would: from an empty folder, with the compose file's environment. */
function start(name: 'api' | 'worker'): OuthaulProcess {
  const { command = [], environment: ofCompose = {} } = compose.services[name] ?? {};
  const child = spawn(process.execPath, [root('bin/outhaul.js'), ...command, '--task-queues', queues], {
    cwd: folder,
    env: { NODE_ENV: 'production', NODE_OPTIONS: '--enable-source-maps', ...ofCompose, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => void (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => void (output.stderr += chunk.toString()));
  const exit = once(child, 'exit');
  const one: OuthaulProcess = {
    process: child,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    async end(signal) {
      child.kill(signal);
      const [code] = (await exit) as [number | null];
      return code;
    },
  };
  started.push(one);
  return one;
}

/** Asks until the answer is there; fails with what the processes said when it takes too long. */
async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  let answer: T | undefined;
  const isOver = async (): Promise<boolean> =>
    (answer = await ask()) !== undefined || started.some(({ process }) => process.exitCode !== null);
  await vi.waitUntil(isOver, { timeout: 50_000, interval: 100 }).catch(() => undefined);
  if (answer !== undefined) return answer;
  const said = started.map(({ stdout, stderr }) => stdout() + stderr()).join('\n---\n');
  throw new Error(`${what} did not come about. The processes said:\n${said}`);
}

const lines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('the processes of the compose file', () => {
  it('scan a tenant over HTTP, say they are healthy, and end with 0 on SIGTERM', async () => {
    const api = start('api');
    const worker = start('worker');
    const url = `http://127.0.0.1:${environment['PORT']}`;

    const health = await until('a healthy API', async () => {
      const answer = await fetch(`${url}/health`).catch(() => undefined);
      return answer?.ok ? await answer.json() : undefined;
    });
    expect(health).toMatchObject({ status: 'healthy', service: 'outlook_email_extraction' });
    const { config } = loadConfig({ ...environment, HOST: '' });
    await until('a polling worker', async () => (await workerIsPolling(config, queues, hostname())) || undefined);
    expect(await workerIsPolling(config, queues, 'another-host')).toBe(false);

    const key = await until("the administrator's key", async () => /^outhaul_\d+_\S+$/m.exec(api.stderr())?.[0]);
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const { tenantId, clientId, clientSecret } = simulator;
    const begun = await fetch(`${url}/api/v1/scan/start`, {
      method: 'POST',
      headers,
      body: JSON.stringify({
        config: {
          scanId: 'first',
          organizationId: 'contoso',
          type: ['email'],
          auth: { tenantId, clientId, clientSecret },
          filters: { folders: ['all'] },
        },
      }),
    });
    expect(await begun.json()).toMatchObject({ success: true, status: 'running' });
    expect(begun.status).toBe(202);

    const ended = await until('the end of the scan', async () => {
      const answer = await fetch(`${url}/api/v1/scan/first/status`, { headers });
      const state = (await answer.json()) as { status: string; endTime: string | null };
      return state.endTime === null ? undefined : state;
    });
    const { messages } = simulator.control.truth.summary();
    expect(ended).toMatchObject({ recordsExtracted: messages });
    const stored = await storedIds();
    expect(new Set(stored).size).toBe(stored.length);
    expect(stored).toHaveLength(messages);
    expect(await answersOfReadme()).toContainEqual(expect.objectContaining({ reason: 'denied' }));

    expect(await Promise.all([api.end('SIGTERM'), worker.end('SIGTERM')])).toEqual([0, 0]);
    expect(lines(worker.stdout()).map(({ msg }) => msg)).toContain('Email extraction completed');
    const said = [api, worker].map(({ stdout, stderr }) => stdout() + stderr()).join('\n');
    for (const secret of [clientSecret, password, compose.services['api']?.environment?.['OUTHAUL_KEYS'] ?? '']) {
      expect(said).not.toContain(secret);
    }
    expect(api.stdout() + worker.stdout()).not.toContain(key);
  });
});

const storedIds = (): Promise<string[]> =>
  withClient(database, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      'SELECT _user_id || id AS id FROM outlook_emails_contoso.emails',
    );
    return rows.map(({ id }) => id);
  });

/** Runs the SQL that the README shows, and gathers the rows. */
async function answersOfReadme(): Promise<object[]> {
  const readme = await readFile(root('README.md'), 'utf8');
  const sql = [...readme.matchAll(/```sql\n([^]*?)```/g)].map(([, text = '']) => text.replaceAll('contoso-1', 'first'));
  const statements = sql
    .join('\n')
    .split(';')
    .filter((statement) => statement.trim() !== '');
  expect(statements.length).toBeGreaterThan(5);
  return withClient(database, async (client) => {
    const rows: object[] = [];
    for (const statement of statements) rows.push(...(await client.query<object>(statement)).rows);
    return rows;
  });
}
