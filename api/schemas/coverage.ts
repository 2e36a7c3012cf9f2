import { z } from 'zod';
import { MAILBOX_REASONS, SCAN_STATUSES } from '../../model/scan.ts';
import { Count, Cursor, OrganizationId, OrganizationQuery, ScanId, Success, Time, wholeNumberOr } from './common.ts';

export const CoverageQuery = OrganizationQuery.extend({
  limit: wholeNumberOr(100, 1, 1000, 'Mailboxes to answer; a CSV answer has all of them'),
  cursor: Cursor,
  incomplete: z
    .enum(['true', 'false'], 'must be true or false')
    .optional()
    .meta({ description: '`true`: only mailboxes in which something is missing' }),
  format: z.enum(['json', 'csv'], 'must be json or csv').default('json').meta({ default: 'json' }),
});

const MailboxStates = z.enum(['waiting', 'running', 'completed', 'failed', 'skipped', 'cancelled']);
const Reason = z.enum([...MAILBOX_REASONS, 'disabled']);
const graphsError = {
  errorCode: z.string().nullable().meta({ description: "Graph's error code, where that was the reason" }),
  requestId: z.string().nullable().meta({ description: 'The id that Graph gave the request; Microsoft asks for it' }),
};

/** What the scan found otherwise than it was stored. */
export const differences = {
  added: Count.meta({ description: 'Messages that were not stored before' }),
  changed: Count,
  moved: Count.meta({ description: 'To this folder; or from it to one that the scan does not read' }),
  deleted: Count,
  restored: Count.meta({ description: 'There again, though they were deleted' }),
};

/** What there is beside messages, for a scan that keeps it. */
export const contents = {
  attachments: Count.meta({ description: 'Attachments whose bytes are stored' }),
  attachmentsLeftOut: Count.meta({ description: 'Attachments that have no bytes, such as links' }),
  attachmentsQuarantined: Count.meta({
    description: 'Attachments that cannot be read, and messages whose attachments cannot be listed',
  }),
  originals: Count.meta({ description: 'Messages whose original bytes are stored' }),
  originalsQuarantined: Count,
};

const CoveredFolder = z.strictObject({
  folderId: z.string(),
  path: z.string(),
  state: z.enum(['running', 'completed', 'failed', 'missing']),
  graph: Count.nullable().meta({
    description: 'Messages that Graph holds; null, as those below, before the comparison',
  }),
  stored: Count.nullable(),
  quarantined: Count.nullable(),
  leftOut: Count.nullable().meta({ description: 'Outside of the times that the scan asked for' }),
  unexplained: Count.nullable().meta({
    description: 'Messages that Graph names and nothing accounts for, or that are stored and Graph does not own up to',
  }),
  unexplainedMessages: z.array(z.string()).meta({ description: 'Their ids, 100 at most' }),
  ...differences,
  ...contents,
  folderCounter: Count.nullable().meta({ description: "The folder's own counter, which counts other items as well" }),
  reconciledAt: Time.nullable(),
  ...graphsError,
});

const CoveredMailbox = z.strictObject({
  mailboxId: z.string(),
  address: z.string().nullable(),
  state: MailboxStates,
  reason: Reason.nullable().meta({ description: 'Why it was not read, or not wholly' }),
  ...graphsError,
  folders: z.array(CoveredFolder),
});

export const Coverage = z
  .strictObject({
    success: Success,
    scanId: ScanId,
    organizationId: OrganizationId,
    status: z.enum(SCAN_STATUSES),
    totals: z.strictObject({
      mailboxes: Count,
      mailboxesRead: Count,
      notRead: z.array(z.strictObject({ state: MailboxStates, reason: Reason.nullable(), mailboxes: Count })),
      folders: Count.meta({ description: 'Folders that were read and compared' }),
      foldersNotRead: Count,
      foldersMissing: Count.meta({ description: 'Folders asked for that a mailbox does not have' }),
      graph: Count,
      stored: Count,
      quarantined: Count,
      leftOut: Count,
      unexplained: Count,
      ...differences,
      ...contents,
    }),
    mailboxes: z.array(CoveredMailbox),
    pagination: z.strictObject({ limit: Count, nextCursor: z.string().nullable() }),
  })
  .meta({ id: 'Coverage' });
