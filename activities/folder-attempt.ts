import { GraphError } from '../graph/errors.ts';
import { failFolder } from '../store/scan-folders.ts';
import type { ReadingContext } from './folder-reader.ts';
import { loseFolder } from './gone-folders.ts';
import type { ReadFolder } from './reconciliation.ts';

/** Kinds of error that end the folder alone; the rest concern the mailbox or the connection. */
const FOLDERS_OWN = new Set([
  'bad_request',
  'poison',
  'body_too_large',
  'sync_state_lost',
  'quota_exceeded',
  'item_missing',
]);

/** Does a folder's work; what is wrong with the folder alone is recorded and costs nobody else. */
export async function attemptFolder<T>(
  context: ReadingContext,
  folder: ReadFolder,
  { work, givesUp }: { work: () => Promise<T>; givesUp: (error: GraphError) => boolean },
): Promise<T | 'finished' | 'failed'> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    const { db, organization, leaseToken, scanNos, mailbox } = context;
    if (error.kind === 'folder_missing') {
      await loseFolder(context, folder);
      return 'finished';
    }
    const givenUp = error.retryable && givesUp(error);
    if (!FOLDERS_OWN.has(error.kind) && !givenUp) throw error;
    await failFolder(db, organization, {
      scanNos,
      mailboxId: mailbox.id,
      leaseToken,
      folder,
      errorCode: error.code,
      ...(error.requestId !== undefined && { requestId: error.requestId }),
    });
    return 'failed';
  }
}
