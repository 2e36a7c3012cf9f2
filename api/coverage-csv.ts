import { stringify } from 'csv-stringify/sync';
import type { CoveragePage, CoveredFolder, CoveredMailbox } from '../store/coverage.ts';

const COLUMNS = [
  'mailbox_id',
  'address',
  'mailbox_state',
  'reason',
  'folder_id',
  'folder',
  'folder_state',
  'graph',
  'stored',
  'quarantined',
  'left_out',
  'unexplained',
  'unexplained_messages',
  'error_code',
  'request_id',
  'added',
  'changed',
  'moved',
  'deleted',
  'restored',
  'attachments',
  'attachments_left_out',
  'attachments_quarantined',
  'originals',
  'originals_quarantined',
];

/**
 * Coverage as CSV: a line for each folder, and one for each mailbox of which no folder was read. Folders of one mailbox may
 * have one path; their ids tell them apart.
 */
export async function* coverageCsv(pages: AsyncIterable<CoveragePage>): AsyncGenerator<string> {
  yield stringify([COLUMNS]);
  for await (const { mailboxes } of pages) {
    yield stringify(
      mailboxes.flatMap((mailbox) =>
        mailbox.folders.length > 0 ? mailbox.folders.map((folder) => line(mailbox, folder)) : [line(mailbox)],
      ),
      // People who are scanned name their folders as they like.
      { escape_formulas: true },
    );
  }
}

const line = (mailbox: CoveredMailbox, folder?: CoveredFolder): unknown[] => [
  mailbox.mailboxId,
  mailbox.address,
  mailbox.state,
  mailbox.reason,
  folder?.folderId,
  folder?.path,
  folder?.state,
  folder?.graph,
  folder?.stored,
  folder?.quarantined,
  folder?.leftOut,
  folder?.unexplained,
  folder?.unexplainedMessages.join(' '),
  folder?.errorCode ?? mailbox.errorCode,
  folder?.requestId ?? mailbox.requestId,
  folder?.added,
  folder?.changed,
  folder?.moved,
  folder?.deleted,
  folder?.restored,
  folder?.attachments,
  folder?.attachmentsLeftOut,
  folder?.attachmentsQuarantined,
  folder?.originals,
  folder?.originalsQuarantined,
];
