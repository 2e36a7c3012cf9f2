import { wantSeenOriginals } from '../store/originals.ts';
import { countContents, missedMessages } from '../store/scan-contents.ts';
import { noteUnsettled } from '../store/settlement.ts';
import type { FolderEnd, ReadingContext } from './folder-reader.ts';
import { readOriginals, type OriginalReading } from './original-reading.ts';
import { settleMailbox } from './settlement.ts';

/**
 * Reads the originals that the mailbox lacks, those included of all that these scans have seen where they keep originals.
 * @throws {GraphError} and {BlobsUnavailable} as `readOriginals`
 */
export async function keepOriginals(reading: OriginalReading, wantedBy: readonly number[]): Promise<FolderEnd> {
  const { db, organization, mailbox, leaseToken, content } = reading.context;
  if (content === 'mime' && wantedBy.length > 0) {
    await wantSeenOriginals(db, organization, { mailboxId: mailbox.id, leaseToken, scanNos: wantedBy });
  }
  return readOriginals(reading);
}

/**
 * Counts what there is of contents for the scans that keep them. A message that Graph did not have any more when its
 * contents were asked for is asked for once again: one that is gone lacks nothing.
 * @throws {GraphError}
 */
export async function countKept(context: ReadingContext, wantedBy: readonly number[]): Promise<void> {
  if (wantedBy.length === 0) return;
  const { db, organization, mailbox, leaseToken } = context;
  const held = { mailboxId: mailbox.id, leaseToken };
  const missed = await missedMessages(db, organization, { mailboxId: mailbox.id, scanNos: wantedBy });
  if (missed.length > 0) {
    await noteUnsettled(db, organization, { ...held, ids: missed });
    await settleMailbox(context, { readBefore: false });
  }
  await countContents(db, organization, { ...held, scanNos: wantedBy });
}
