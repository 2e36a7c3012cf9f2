import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PostgresStartError } from './errors.ts';
import type { StopSteps } from './leftover.ts';
import { writeOnce } from './lock.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { identify } from './process-identity.ts';
import { runCommand } from './run-command.ts';
import type { ServiceUser } from './service-user.ts';

/** The superuser of an embedded cluster, and its only role. */
export const CLUSTER_USER = 'outhaul';

/** SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one (recovery at the next start). */
export const STOP_STEPS: StopSteps = [
  ['SIGINT', 30_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
];

/** A folder with a PostgreSQL cluster: `data/` (PGDATA), `password` and `postgres.log`. */
export interface Cluster {
  folder: string;
  data: string;
  password: string;
}

/**
 * What `-D` says. As root on Linux the service user may be barred from the folders above its own, which PostgreSQL would
 * enter by absolute path; Node changes into the folder before it changes the user, and `/proc/self/cwd` leads there.
 */
export function dataDirectoryArgument(data: string, user: ServiceUser | undefined): string {
  return user && process.platform === 'linux' ? '/proc/self/cwd' : data;
}

/** Nothing of our environment but what finds programs: PGDATA, PGPORT and friends would be obeyed. */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };
}

/**
 * Opens the cluster in `folder`, making it where there is none. A cluster is made beside its place and moved there when
 * it is whole, so an interruption leaves nothing that looks like one.
 */
export async function openCluster(options: {
  folder: string;
  binaries: PostgresBinaries;
  user: ServiceUser | undefined;
  /** Whether a power cut may cost the cluster; then it is made a little faster. */
  durable: boolean;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}): Promise<Cluster> {
  const { folder, binaries } = options;
  const data = join(folder, 'data');
  await removeUnfinished(folder);
  const made = await majorVersion(data);
  if (made === undefined) await makeCluster(data, options);
  else if (made !== String(binaries.major)) {
    throw new PostgresStartError(
      `${data} was made by PostgreSQL ${made}, this is PostgreSQL ${binaries.major}, which cannot read it. ` +
        `Use another data folder, or move its data over with pg_dump of PostgreSQL ${made}.`,
    );
  }
  return { folder, data, password: await readPassword(folder) };
}

async function makeCluster(data: string, options: Parameters<typeof openCluster>[0]): Promise<void> {
  const { folder, binaries, user, signal } = options;
  options.log(`Making a PostgreSQL ${binaries.version} database in ${data}`);
  const unfinished = join(folder, `unfinished-${process.pid}-${randomBytes(4).toString('hex')}`);
  const unfinishedData = join(unfinished, 'data');
  try {
    await mkdir(unfinishedData, { recursive: true, mode: 0o700 });
    await writeFile(join(unfinished, 'password'), await readPassword(folder), { mode: 0o600 });
    if (user) {
      for (const path of [unfinished, unfinishedData, join(unfinished, 'password')])
        await chown(path, user.uid, user.gid);
    }
    await runInitdb(unfinishedData, options);
    signal?.throwIfAborted();
    await rename(unfinishedData, data).catch(async (error: NodeJS.ErrnoException) => {
      if ((await majorVersion(data)) === undefined) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true, maxRetries: 10 });
  }
}

async function runInitdb(data: string, options: Parameters<typeof openCluster>[0]): Promise<void> {
  const { binaries, user, signal } = options;
  const { ok, output } = await runCommand({
    command: join(binaries.binDir, 'initdb'),
    args: [
      `--pgdata=${dataDirectoryArgument(data, user)}`,
      `--username=${CLUSTER_USER}`,
      '--pwfile=../password',
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
      ...(options.durable ? [] : ['--no-sync']),
    ],
    cwd: data,
    env: postgresEnvironment(),
    user,
    signal,
  }).catch((cause: Error) => {
    signal?.throwIfAborted();
    throw new PostgresStartError(
      `PostgreSQL's programs in ${binaries.binDir} cannot be started here: ${cause.message}. ` +
        'They need glibc (not Alpine); where they do not run, use a PostgreSQL of your own (DATABASE_URL).',
      { cause },
    );
  });
  if (!ok) throw new PostgresStartError(`initdb failed in ${data}:\n${output}`);
}

/** The password is made once, before the first cluster, and never changed: it always fits. */
async function readPassword(folder: string): Promise<string> {
  const file = join(folder, 'password');
  const existing = await readFile(file, 'utf8').catch(() => '');
  if (existing) return existing;
  if ((await majorVersion(join(folder, 'data'))) !== undefined) {
    throw new PostgresStartError(`${file} is gone, and with it the way into the database beside it. Restore the file.`);
  }
  const password = randomBytes(24).toString('base64url');
  await writeOnce(file, password);
  return readFile(file, 'utf8');
}

const UNFINISHED = /^unfinished-(\d+)-/;

/** Removes what interrupted processes left. */
async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = UNFINISHED.exec(name)?.[1];
    if (pid && !identify(Number(pid))) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function majorVersion(data: string): Promise<string | undefined> {
  return readFile(join(data, 'PG_VERSION'), 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}
