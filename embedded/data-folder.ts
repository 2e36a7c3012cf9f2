import { chmod, readFile, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { EmbeddedServiceError } from './errors.ts';
import { takeLock, writeOnce, type Lock } from './lock.ts';
import { makeFolder } from './make-folder.ts';
import { packagedPostgres } from './postgres-binaries.ts';
import { TEMPORAL_VERSION } from './temporal-version.ts';

/** The layout of the folder: what lies where, and how it is sealed. Raised when an older Outhaul could not use it. */
const FORMAT = 1;

const LOCK_FILE = 'lock';
const VERSION_FILE = 'version.json';

/** What `version.json` says: who made the folder. */
export interface DataFolderVersion {
  format: number;
  outhaul: string;
  /** The major version, which alone can read the database. */
  postgres: number;
  temporal: string;
}

/** Why a data folder is refused. */
export type DataFolderProblem = 'not writable' | 'in use' | 'not ours' | 'other version';

/** The data folder cannot be used. The message says what to do. */
export class DataFolderError extends EmbeddedServiceError {
  override readonly name = 'DataFolderError';
  readonly problem: DataFolderProblem;

  constructor(problem: DataFolderProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

/** A folder that holds everything one machine's Outhaul keeps. It is ours alone until it is released or we end. */
export interface DataFolder {
  readonly folder: string;
  readonly madeBy: DataFolderVersion;
  readonly postgresDir: string;
  readonly temporalDir: string;
  /** The key ring that seals credentials and payloads. */
  readonly keysFile: string;
  /** Of a file or folder inside, which need not exist. */
  path: (name: string) => string;
  release: () => Promise<void>;
}

/**
 * Opens the data folder, making it (mode 0700) where it does not exist, and locks it against other processes. The lock of
 * a process that no longer runs is no hindrance. Throws `DataFolderError`.
 */
export async function openDataFolder(dir: string, options: { outhaulVersion: string }): Promise<DataFolder> {
  const folder = resolve(dir);
  const lock = await lockFolder(folder);
  try {
    const madeBy = await openVersion(folder, options.outhaulVersion);
    const path = (name: string): string => join(folder, name);
    return {
      folder,
      madeBy,
      postgresDir: path('postgres'),
      temporalDir: path('temporal'),
      keysFile: path('keys'),
      path,
      release: lock.release,
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function lockFolder(folder: string): Promise<Lock> {
  const lock = await orNotWritable(folder, async () => {
    await makeFolder(folder);
    await refuseForeign(folder);
    if (((await stat(folder)).mode & 0o077) !== 0) await chmod(folder, 0o700);
    return takeLock(join(folder, LOCK_FILE));
  });
  if ('release' in lock) return lock;
  throw new DataFolderError(
    'in use',
    `The data folder ${folder} is in use by the process with pid ${lock.heldBy.pid}. Stop that one first, or choose another folder.`,
  );
}

/** A folder with someone else's files is no place for ours, and its mode not ours to change. */
async function refuseForeign(folder: string): Promise<void> {
  const names = await readdir(folder);
  if (names.includes(VERSION_FILE) || names.every((name) => name.startsWith(LOCK_FILE))) return;
  throw new DataFolderError(
    'not ours',
    `The folder ${folder} holds other files and was not made by Outhaul. Choose an empty or a new folder.`,
  );
}

async function openVersion(folder: string, outhaul: string): Promise<DataFolderVersion> {
  const file = join(folder, VERSION_FILE);
  const { major } = await packagedPostgres();
  const current: DataFolderVersion = { format: FORMAT, outhaul, postgres: major, temporal: TEMPORAL_VERSION };
  await orNotWritable(folder, () => writeOnce(file, `${JSON.stringify(current, null, 2)}\n`));

  const madeBy = parseVersion(await orNotWritable(folder, () => readFile(file, 'utf8')));
  if (madeBy === undefined) {
    throw new DataFolderError('other version', `${file} is damaged. Restore it, or choose another data folder.`);
  }
  if (madeBy.format !== current.format || madeBy.postgres !== current.postgres) {
    throw new DataFolderError(
      'other version',
      `The data folder ${folder} was made by Outhaul ${madeBy.outhaul} (format ${madeBy.format}, PostgreSQL ${madeBy.postgres}); ` +
        `this is Outhaul ${outhaul} (format ${current.format}, PostgreSQL ${current.postgres}), which cannot read it. ` +
        `Run it with Outhaul ${madeBy.outhaul}, or choose another folder.`,
    );
  }
  return madeBy;
}

function parseVersion(text: string): DataFolderVersion | undefined {
  try {
    const { format, outhaul, postgres, temporal } = JSON.parse(text) as Partial<DataFolderVersion>;
    if (typeof format !== 'number' || typeof postgres !== 'number') return undefined;
    return { format, postgres, outhaul: outhaul ?? 'unknown', temporal: temporal ?? 'unknown' };
  } catch {
    return undefined;
  }
}

async function orNotWritable<T>(folder: string, work: () => Promise<T>): Promise<T> {
  return work().catch((cause: Error) => {
    if (cause instanceof DataFolderError) throw cause;
    const cure = 'Choose a folder that this user may write to, on a disk with room.';
    throw new DataFolderError('not writable', `The data folder ${folder} cannot be used: ${cause.message}. ${cure}`, {
      cause,
    });
  });
}
