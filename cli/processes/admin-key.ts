import { rename, writeFile } from 'node:fs/promises';
import type { Config } from '../../config/config.ts';
import { openConfiguredKeyRing } from '../../config/live-key-ring.ts';
import type { Logger } from '../../config/logging.ts';
import { createKey, verifyKey } from '../../store/api-keys.ts';
import { readTextFileIfThere } from '../text-file.ts';
import { closeDatabase, openDatabase, type Database } from '../../store/database.ts';

export interface KeepAdminKeyOptions {
  readonly file: string;
  /** The key that this start of the API made, if it did. */
  readonly made: string | undefined;
  readonly config: Config;
  readonly log: Logger;
}

/**
 * Sees to it that a file holds a valid administrator's key: the one just made, or the one it holds already, or, where
 * that is lost or belongs to another database, a new one.
 */
export async function keepAdminKey({ file, made, config, log }: KeepAdminKeyOptions): Promise<void> {
  if (made !== undefined) return writeKey(file, made);
  const { database } = config;
  if (database.url === undefined) throw new TypeError('the API has started without a database');
  const db = openDatabase({
    url: database.url,
    poolSize: 1,
    applicationName: 'outhaul',
    sealer: openConfiguredKeyRing(config, log),
    log,
  });
  try {
    if (await holdsValidKey(db, file)) return;
    const { id, key } = await createKey(db, { organizationId: null, name: 'administrator of this machine' });
    log.info({ keyId: id }, 'Made a new key of an administrator: the key file held none that is valid');
    await writeKey(file, key);
  } finally {
    await closeDatabase(db);
  }
}

async function holdsValidKey(db: Database, file: string): Promise<boolean> {
  const text = (await readTextFileIfThere(file))?.trim() ?? '';
  const key = text === '' ? undefined : await verifyKey(db, text);
  return key !== undefined && key.organizationId === null;
}

/** Whole or not at all. */
async function writeKey(file: string, key: string): Promise<void> {
  const whole = `${file}.${process.pid}`;
  await writeFile(whole, `${key}\n`, { mode: 0o600 });
  await rename(whole, file);
}
