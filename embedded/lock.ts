import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { identify, isAlive, parseIdentity, type ProcessIdentity } from './process-identity.ts';

/** Makes a file (mode 0600) with its whole content or not at all; false where it exists. */
export async function writeOnce(file: string, content: string): Promise<boolean> {
  const whole = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(whole, content, { mode: 0o600, flag: 'wx' });
    await link(whole, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(whole, { force: true });
  }
}

/** A lock that ends with the process that holds it: a file that says who that is. */
export interface Lock {
  release: () => Promise<void>;
}

/** Takes the lock, also from a process that no longer runs; where a living one holds it, answers who. */
export async function takeLock(file: string): Promise<Lock | { heldBy: ProcessIdentity }> {
  const own = JSON.stringify(identify(process.pid));
  for (;;) {
    if (await writeOnce(file, own)) return { release: () => removeIf(file, own) };
    const content = await readFile(file, 'utf8').catch(() => undefined);
    if (content === undefined) continue;
    const holder = parseIdentity(content);
    if (holder && isAlive(holder)) return { heldBy: holder };
    await removeIf(file, content);
  }
}

/** Removes the file only where it still says this: another process may have taken the lock meanwhile, and gets it back. */
async function removeIf(file: string, content: string): Promise<void> {
  const aside = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await rename(file, aside);
    if ((await readFile(aside, 'utf8')) !== content) await link(aside, file);
  } catch (error) {
    if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}
