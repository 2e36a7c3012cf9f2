import { execFile } from 'node:child_process';
import { statSync, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { PostgresStartError } from './errors.ts';

/** Whom PostgreSQL runs as when we are root, which it refuses. */
export interface ServiceUser {
  name: string;
  uid: number;
  gid: number;
}

/** Existing users, tried in turn; none is ever created. */
const CANDIDATES = ['postgres', '_postgres', 'nobody'];

/**
 * The user to run PostgreSQL as: `undefined` (ourselves) unless we are root; then the owner of an existing data directory,
 * or the first unprivileged user that this machine has.
 */
export async function findServiceUser(dataDirectory: string): Promise<ServiceUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(dataDirectory).catch(() => undefined);
  if (owner && owner.uid !== 0) return { name: `number ${owner.uid}`, uid: owner.uid, gid: owner.gid };
  for (const name of CANDIDATES) {
    const [uid, gid] = await Promise.all([id('-u', name), id('-g', name)]);
    if (uid !== undefined && gid !== undefined && uid !== 0) return { name, uid, gid };
  }
  throw new PostgresStartError(
    `PostgreSQL does not run as root, and this machine has none of the users ${CANDIDATES.join(', ')} to run it as. ` +
      'Run outhaul as an ordinary user, or add one of them.',
  );
}

async function id(flag: '-u' | '-g', name: string): Promise<number | undefined> {
  return promisify(execFile)('id', [flag, name]).then(
    ({ stdout }) => Number(stdout),
    () => undefined,
  );
}

/** Whether the user may enter the folder and every one above it; those that do not exist would be made so. */
export function canEnter(user: ServiceUser | undefined, folder: string): boolean {
  if (!user) return true;
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats && !isGranted(0o1, user, stats)) return false;
  return folder === dirname(folder) || canEnter(user, dirname(folder));
}

/** Whether the mode grants the permission (4 read, 1 enter) to the user. */
export function isGranted(permission: number, user: ServiceUser, { mode, uid, gid }: Stats): boolean {
  const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
  return ((mode >> shift) & permission) !== 0;
}
