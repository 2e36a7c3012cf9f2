import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  freePort,
  PortTakenError,
  PostgresStartError,
  startPostgres,
  type PostgresOptions,
} from '../../embedded/index.ts';
import { eventually, isGone, temporaryFolder } from './support.ts';

const start = async (options: Partial<PostgresOptions> & { dataDir: string }) => {
  const postgres = await startPostgres({ log: () => undefined, ...options });
  onTestFinished(() => postgres.stop());
  return postgres;
};

const query = async (url: string, statement: string): Promise<unknown[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
};

/** A cluster is made once; tests that are not about making one start from a copy. */
let pattern: string;
beforeAll(async () => {
  pattern = await mkdtemp(join(tmpdir(), 'outhaul-pattern-'));
  await (await startPostgres({ dataDir: pattern, log: () => undefined })).stop();
});
afterAll(() => rm(pattern, { recursive: true, force: true }));

const copyOfCluster = async (): Promise<string> => {
  const folder = await temporaryFolder();
  // cp, because its files keep their owner.
  await promisify(execFile)('cp', ['-a', `${pattern}/.`, folder]);
  return folder;
};

/** Faster, where the test is not about what is kept. */
const careless = { fsync: 'off' };

describe('the embedded PostgreSQL', () => {
  it('serves UTF-8 text durably, on the loopback interface only', async () => {
    const { url } = await start({ dataDir: await temporaryFolder(), database: 'mail' });
    const [row] = await query(
      url,
      `SELECT current_database() AS database, current_setting('server_encoding') AS encoding, datlocale AS locale,
              current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
              current_setting('listen_addresses') AS listens, current_setting('unix_socket_directories') AS sockets,
              upper('äœ') AS upper
         FROM pg_database WHERE datname = current_database()`,
    );
    expect(row).toEqual({
      database: 'mail',
      encoding: 'UTF8',
      locale: 'C.UTF-8',
      fsync: 'on',
      commit: 'on',
      listens: '127.0.0.1',
      sockets: '',
      upper: 'ÄŒ',
    });
  });

  it('keeps its data and its password from one start to the next', async () => {
    const dataDir = await copyOfCluster();
    const first = await start({ dataDir });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    expect(isGone(first.pid)).toBe(true);

    const lines: string[] = [];
    const second = await start({ dataDir, port: first.port, log: (line) => lines.push(line) });
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'SELECT * FROM kept')).toEqual([{ answer: 42 }]);
    expect(lines).toEqual([]);
  });

  it('lets nobody in without the password, which only its owner may read', async () => {
    const dataDir = await copyOfCluster();
    const { url } = await start({ dataDir, settings: careless });
    const wrong = new URL(url);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
    expect((await stat(join(dataDir, 'password'))).mode & 0o777).toBe(0o600);
  });

  it('says so where its port is taken, and takes another where none was asked for', async () => {
    const holder = createServer();
    const port = await new Promise<number>((resolve) => {
      holder.listen(0, '127.0.0.1', () => resolve((holder.address() as { port: number }).port));
    });
    onTestFinished(() => void holder.close());
    const dataDir = await copyOfCluster();
    await expect(start({ dataDir, port, settings: careless })).rejects.toThrow(PortTakenError);
    await expect(start({ dataDir, port })).rejects.toThrow(`Port ${port} on 127.0.0.1 is in use`);
    expect((await start({ dataDir, settings: careless })).port).not.toBe(port);
  });

  it('is up again after SIGKILL, with what was committed', async () => {
    const dataDir = await copyOfCluster();
    const first = await start({ dataDir });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    first.kill('SIGKILL');
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });
    const second = await start({ dataDir });
    expect(await query(second.url, 'SELECT * FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('stops a server that an earlier run left on its data', async () => {
    const dataDir = await copyOfCluster();
    const left = await start({ dataDir, settings: careless });
    const lines: string[] = [];
    const next = await start({ dataDir, settings: careless, log: (line) => lines.push(line) });
    expect(lines).toEqual([expect.stringContaining(`pid ${left.pid}`)]);
    expect(isGone(left.pid)).toBe(true);
    expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it("starts where a crashed server's pid now belongs to another program", async () => {
    const dataDir = await copyOfCluster();
    const first = await start({ dataDir, settings: careless });
    const pidFile = join(dataDir, 'data', 'postmaster.pid');
    const record = (await readFile(pidFile, 'utf8')).split('\n');
    await first.stop();
    await writeFile(pidFile, [String(process.pid), ...record.slice(1)].join('\n'));
    const second = await start({ dataDir, settings: careless });
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('refuses data of another major version', async () => {
    const dataDir = await copyOfCluster();
    await writeFile(join(dataDir, 'data', 'PG_VERSION'), '16\n');
    await expect(start({ dataDir })).rejects.toThrow(/made by PostgreSQL 16, this is PostgreSQL \d+/);
  });

  it('refuses data whose password is gone', async () => {
    const dataDir = await copyOfCluster();
    await rm(join(dataDir, 'password'));
    await expect(start({ dataDir })).rejects.toThrow(/password is gone/);
  });

  it('says why where it cannot start', async () => {
    const dataDir = await copyOfCluster();
    const attempt = start({ dataDir, settings: { ...careless, shared_buffers: 'plenty' } });
    await expect(attempt).rejects.toThrow(PostgresStartError);
    await expect(attempt).rejects.toThrow(/invalid value for parameter "shared_buffers": "plenty"/);
  });

  it.each(['/proc/outhaul', join(import.meta.filename, 'below')])(
    'says so where %s cannot be used',
    async (dataDir) => {
      await expect(start({ dataDir })).rejects.toThrow(`The data folder ${dataDir} cannot be used`);
    },
  );

  it('removes what an interrupted start left, but not what another process is making', async () => {
    const dataDir = await copyOfCluster();
    const [dead, alive] = ['unfinished-4194999-abc', `unfinished-${process.pid}-abc`];
    await Promise.all([dead, alive].map((name) => mkdir(join(dataDir, name, 'data'), { recursive: true })));
    await start({ dataDir, settings: careless });
    expect((await readdir(dataDir)).filter((name) => name.startsWith('unfinished'))).toEqual([alive]);
  });
});

describe('aborting the start of PostgreSQL', () => {
  const reason = new Error('Ctrl-C');

  /** Aborts when the condition holds; answers the folder, in which a start must work afterwards. */
  const abortWhen = async (dataDir: string, condition: () => Promise<boolean>): Promise<void> => {
    const abort = new AbortController();
    const attempt = expect(start({ dataDir, settings: careless, signal: abort.signal })).rejects.toBe(reason);
    await eventually('the phase to abort in', condition);
    abort.abort(reason);
    await attempt;
    expect((await readdir(dataDir)).filter((name) => name.startsWith('unfinished'))).toEqual([]);
    expect(await readFile(join(dataDir, 'data', 'postmaster.pid'), 'utf8').catch(() => 'none')).toBe('none');
    const { url } = await start({ dataDir, settings: careless });
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  };

  it('does nothing where it came too early', async () => {
    const dataDir = join(await temporaryFolder(), 'postgres');
    await expect(start({ dataDir, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(readdir(dataDir)).rejects.toThrow('ENOENT');
  });

  it('leaves no half-made database', async () => {
    const dataDir = await temporaryFolder();
    await abortWhen(dataDir, async () => {
      const unfinished = (await readdir(dataDir)).find((name) => name.startsWith('unfinished'));
      return unfinished !== undefined && (await readdir(join(dataDir, unfinished, 'data')).catch(() => [])).length > 0;
    });
  });

  it('leaves no server', async () => {
    const dataDir = await copyOfCluster();
    await abortWhen(dataDir, async () => (await readdir(dataDir)).includes('postgres.log'));
  });
});

it('gives each of two starts its own port and data', async () => {
  const [one, two] = await Promise.all([
    start({ dataDir: await copyOfCluster(), settings: careless }),
    start({ dataDir: await copyOfCluster(), settings: careless, port: await freePort() }),
  ]);
  await query(one.url, 'CREATE TABLE here (id int)');
  await expect(query(two.url, 'TABLE here')).rejects.toThrow('does not exist');
});
