import { createHash, randomUUID } from 'node:crypto';
import { access, constants, mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { DeliveredMessage } from '../model/delivered-message.ts';
import { safeName, taggedFileName } from '../model/file-names.ts';
import { toSeconds } from '../model/payload-times.ts';
import { readContent } from './content.ts';
import { inParallel } from './in-parallel.ts';
import { contentRefusal, ContentError, DestinationUnavailable } from './sender.ts';
import type { Health, Item, ItemAttachment, Outcome, Sender } from './sender.ts';

export interface FolderSettings {
  /** Where the files go, `ATTACHMENTS_DIR`. Made where it is missing. */
  readonly directory: string;
  /** Files written at once. Default 4. */
  readonly concurrency?: number | undefined;
}

const CONCURRENCY = 4;
/** Within the directory, so that a rename out of it is atomic. */
const UNFINISHED = '.unfinished';
const UNFINISHED_FOR_MS = 24 * 60 * 60 * 1000;

/**
 * A folder of files: `{directory}/{mailbox}/{day of receipt, UTC}/{name}-{tag}{extension}`. The tag stands for the
 * delivery, so that no two files meet and the same delivery, sent again, is the same file. A file that has its name is
 * whole and on the disk: it is written under `.unfinished`, flushed, and renamed.
 */
export function openFolder(settings: FolderSettings): Sender {
  const { concurrency = CONCURRENCY } = settings;
  const directory = resolve(settings.directory);
  let prepared: Promise<void> | undefined;
  const sendOne = async (item: Item, signal: AbortSignal): Promise<Outcome> => {
    const { deliveryNo } = item;
    const [attachment] = item.attachments;
    if (attachment === undefined) throw new TypeError('An item for a folder has one attachment');
    try {
      await (prepared ??= prepare(directory));
      await place(attachment, join(directory, pathOf(item, attachment)), join(directory, UNFINISHED), signal);
      return { deliveryNo, status: 'accepted' };
    } catch (error) {
      if (error instanceof ContentError) return contentRefusal(item, error);
      prepared = undefined;
      signal.throwIfAborted();
      throw unavailability(error);
    }
  };
  return {
    send: (items, signal) => inParallel(items, concurrency, (item) => sendOne(item, signal)),
    health: () => health(directory),
    close: async () => undefined,
  };
}

/** Relative to the directory. */
function pathOf({ message, idempotencyKey }: Item, { metadata }: ItemAttachment): string {
  const tag = createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 12);
  return join(
    safeName(message.mailbox.toLowerCase(), 'mailbox'),
    dayOf(message),
    taggedFileName(metadata.name ?? '', tag, 'attachment'),
  );
}

const dayOf = ({ email }: DeliveredMessage): string =>
  toSeconds(email.received_date_time ?? email.sent_date_time).slice(0, 10) || 'undated';

async function place(attachment: ItemAttachment, path: string, unfinished: string, signal: AbortSignal): Promise<void> {
  const draft = join(unfinished, randomUUID());
  try {
    const file = await open(draft, 'wx', 0o640);
    try {
      for await (const chunk of readContent(attachment, signal)) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await makeFolder(dirname(path));
    await rename(draft, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Makes the directory, and takes away what was never finished. */
async function prepare(directory: string): Promise<void> {
  const unfinished = join(directory, UNFINISHED);
  await makeFolder(unfinished);
  for (const name of await readdir(unfinished)) {
    const { mtimeMs } = await stat(join(unfinished, name)).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > UNFINISHED_FOR_MS) await rm(join(unfinished, name), { force: true });
  }
}

/** Each folder that is new is on the disk in its parent, too. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let at = folder; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
}

async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders, and keeps names without being asked.
  if (process.platform === 'win32') return;
  const handle: FileHandle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

async function health(directory: string): Promise<Health> {
  const started = performance.now();
  const since = (): number => Math.round(performance.now() - started);
  try {
    await prepare(directory);
    await access(directory, constants.W_OK);
    return { healthy: true, latencyMs: since(), detail: 'The folder can be written to' };
  } catch (error) {
    return { healthy: false, latencyMs: since(), detail: unavailability(error).message };
  }
}

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);
const DENIED: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/** What a failure of the file system says of the whole folder. */
export function unavailability(cause: unknown): DestinationUnavailable {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  if (FULL.has(code)) return new DestinationUnavailable('full', `No space is left in the folder (${code})`, { cause });
  if (DENIED.has(code)) {
    return new DestinationUnavailable('misconfigured', `The folder cannot be written to (${code})`, { cause });
  }
  return new DestinationUnavailable('away', `Writing into the folder failed (${code})`, { cause });
}
