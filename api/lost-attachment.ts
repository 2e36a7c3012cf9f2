import type { Logger } from 'pino';
import { BlobAltered, BlobMissing } from '../store/blobs/errors.ts';
import { attachmentLost, type LostAttachment } from '../store/lost-attachments.ts';
import type { Organization } from '../store/organizations.ts';
import type { ApiParts } from './parts.ts';

/**
 * What to tell an error of an attachment's bytes: where they are missing from the blob store, or were altered there, the
 * mailbox's reader is woken to read them from Graph again. Nobody waits for that.
 */
export const lossTeller =
  (
    { db, wakeReader }: Pick<ApiParts, 'db' | 'wakeReader'>,
    organization: Organization,
    attachment: LostAttachment & { readonly sha256: string; readonly log: Logger },
  ) =>
  (error: unknown): void => {
    if (!(error instanceof BlobMissing || error instanceof BlobAltered)) return;
    const { log, ...lost } = attachment;
    attachmentLost(db, organization, { ...lost, deliveryNos: [] })
      .then((read) => read && wakeReader(organization.organizationId, read.mailboxId, 'incremental'))
      .catch((err: unknown) => log.warn({ err }, 'A lost attachment could not be asked for'));
  };
