import type { Logger } from 'pino';
import { BlobAltered, BlobMissing } from '../store/blobs/errors.ts';
import type { Organization } from '../store/organizations.ts';
import type { ApiParts } from './parts.ts';

/**
 * What to tell an error of stored bytes: where they are missing from the blob store, or were altered there, that is noted,
 * and the mailbox's reader is woken to read them from Graph again. Nobody waits for that.
 * @param note notes in the store that they are lost; answers whose reader has to be woken, if there is something to read
 */
export const lossTeller =
  (
    { wakeReader }: Pick<ApiParts, 'wakeReader'>,
    { organizationId }: Organization,
    { note, log }: { readonly note: () => Promise<{ readonly mailboxId: string } | undefined>; readonly log: Logger },
  ) =>
  (error: unknown): void => {
    if (!(error instanceof BlobMissing || error instanceof BlobAltered)) return;
    note()
      .then((read) => read && wakeReader(organizationId, read.mailboxId, 'incremental'))
      .catch((err: unknown) => log.warn({ err }, 'Lost bytes could not be asked for'));
  };
