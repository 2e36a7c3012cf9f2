import { setTimeout as delay } from 'node:timers/promises';
import type { GraphError } from '../graph/errors.ts';
import type { BlobStore } from '../store/blobs/blob-store.ts';
import { BlobsUnavailable } from '../store/blobs/errors.ts';
import { lacksContents } from '../store/lacking-contents.ts';
import { noteWaiting } from '../store/owing.ts';
import { AttachmentReading, wantSeen } from './attachment-reading.ts';
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
  return ended(reading, readAll(reading));
}

async function readAll(reading: ContentsReading): Promise<FolderEnd> {
  const { context, wantedBy = [] } = reading;
  const { db, organization, mailbox } = context;
  if (wantedBy.length > 0) await wantSeen(context, wantedBy);
  else if (!(await lacksContents(db, organization, mailbox.id))) return 'finished';
  const attachments = new AttachmentReading(reading);
  await attachments.begin();
  const listed = await attachments.end();
  const end = listed === 'unfinished' ? listed : await keepOriginals(reading, wantedBy);
  await countKept(context, wantedBy);
  return end;
}

/**
 * The same beside other work of a slice: what has come for new messages meanwhile need not wait for what there is of old
 * ones.
 */
export class ContentsBeside {
  readonly #reading: ContentsReading;
  readonly #attachments: AttachmentReading;
  readonly #fresh: Beside;
  readonly #rest: Beside;
  readonly #originals: Beside;
  #ofOriginals: () => FolderEnd = () => 'finished';

  /** @param newerThan the number of the last message that was stored before */
  constructor(reading: ContentsReading, newerThan: number) {
    const attachments = new AttachmentReading(reading);
    this.#reading = reading;
    this.#attachments = attachments;
    this.#fresh = new Beside(() => attachments.begin({ after: newerThan }));
    this.#rest = new Beside(() => attachments.begin({ until: newerThan }));
    this.#originals = new Beside(async () => {
      this.#ofOriginals = await keepOriginals(reading, []).then(
        (end) => () => end,
        (error: unknown) => () => {
          throw error;
        },
      );
    });
  }

  /** There may be new messages. */
  readNew(): void {
    this.#fresh.nudge();
    this.#originals.nudge();
  }

  readRest(): void {
    this.#rest.nudge();
  }

  /** Waits until nothing more is being read. */
  end(): Promise<FolderEnd> {
    return ended(this.#reading, this.#end());
  }

  /** Whether it ends within so many ms, well or not. */
  endsWithin(ms: number): Promise<boolean> {
    const end = this.#end().then(
      () => true,
      () => true,
    );
    return Promise.race([end, delay(ms, false, { ref: false })]);
  }

  async #end(): Promise<FolderEnd> {
    await Promise.all([this.#fresh.end(), this.#rest.end()]);
    const end = await this.#attachments.end();
    await this.#originals.end();
    return end === 'finished' ? this.#ofOriginals() : end;
  }
}

async function ended({ context, log, wantedBy = [] }: ContentsReading, end: Promise<FolderEnd>): Promise<FolderEnd> {
  try {
    return await end;
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

/** Work that never fails and goes on beside other work, and once more when something has come for it meanwhile. */
class Beside {
  readonly #work: () => Promise<void>;
  #isDue = false;
  #running: Promise<void> | undefined;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** There is something to do. */
  nudge(): void {
    this.#isDue = true;
    this.#running ??= this.#run();
  }

  /** Waits until nothing is left to do. */
  async end(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isDue) {
      this.#isDue = false;
      await this.#work();
    }
    this.#running = undefined;
  }
}
