import { setTimeout as delay } from 'node:timers/promises';
import type { GraphError } from '../graph/errors.ts';
import type { BlobStore } from '../store/blobs/blob-store.ts';
import { BlobsUnavailable } from '../store/blobs/errors.ts';
import { noteWaiting } from '../store/owing.ts';
import { readAttachments } from './attachment-reading.ts';
import type { FolderEnd, ReadingContext } from './folder-reader.ts';
import { countKept, keepOriginals } from './kept-contents.ts';

export interface ContentsReading {
  readonly context: ReadingContext;
  readonly blobs: BlobStore;
  readonly log: { warn(facts: object, message: string): void };
  /** Whether no later attempt would follow this error. */
  readonly givesUp: (error: GraphError) => boolean;
  /** Scans that want the attachments of all that they have seen. Default: none. */
  readonly wantedBy?: readonly number[];
}

/**
 * Reads into the blob store what messages of the mailbox wait for, and what scans want of them. While it takes nothing,
 * mail goes on being stored, and what waits says why; only a scan that wants contents waits, too.
 * @throws {GraphError} of a kind that another attempt may mend
 * @throws {BlobsUnavailable} where a scan wants contents
 */
export async function readContents(reading: ContentsReading): Promise<FolderEnd> {
  const { context, log, wantedBy = [] } = reading;
  try {
    const listed = await readAttachments({ ...reading, wantedBy });
    const end = listed === 'unfinished' ? listed : await keepOriginals(reading, wantedBy);
    await countKept(context, wantedBy);
    return end;
  } catch (error) {
    if (!(error instanceof BlobsUnavailable)) throw error;
    const { db, organization, mailbox } = context;
    const { organizationId } = organization;
    log.warn({ organizationId, mailboxId: mailbox.id, trouble: error.trouble }, `Attachments wait: ${error.message}`);
    await noteWaiting(db, organization, { mailboxId: mailbox.id, cause: error.name, words: error.message });
    if (wantedBy.length > 0) throw error;
    return 'finished';
  }
}

/** Work that goes on beside other work, and once more when something has come for it meanwhile. */
export class Beside {
  readonly #work: () => Promise<FolderEnd>;
  #isDue = false;
  #running: Promise<FolderEnd> | undefined;

  constructor(work: () => Promise<FolderEnd>) {
    this.#work = work;
  }

  /** There is something to do. */
  nudge(): void {
    this.#isDue = true;
    this.#running ??= this.#run();
    // Whoever waits for the end hears of it.
    this.#running.catch(() => undefined);
  }

  /** Waits until nothing is left to do. @throws what the work has thrown, and nothing was tried after that */
  async end(): Promise<FolderEnd> {
    return (await this.#running) ?? 'finished';
  }

  /** Whether nothing was left to do, or nothing could be done any more, within so many ms. */
  restsWithin(ms: number): Promise<boolean> {
    const rest = this.end().then(
      () => true,
      () => true,
    );
    return Promise.race([rest, delay(ms, false, { ref: false })]);
  }

  async #run(): Promise<FolderEnd> {
    let end: FolderEnd = 'finished';
    while (this.#isDue && end === 'finished') {
      this.#isDue = false;
      end = await this.#work();
    }
    if (end === 'finished') this.#running = undefined;
    return end;
  }
}
