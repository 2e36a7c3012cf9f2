import type { MailboxState } from '../model/scan.ts';
import { query, type Database } from './database.ts';

/** How the mailboxes of a scan stand, in numbers. */
export interface MailboxTotals extends Readonly<Record<MailboxState, number>> {
  readonly total: number;
  /** Messages that the scan has seen. */
  readonly records: number;
  /** Messages that Graph's folder counts promise, for the mailboxes whose folders are known by now. */
  readonly expected: number;
  /** When anything moved last. */
  readonly updatedAt: string | null;
  /** Mailboxes being read, the latest to move first, 50 at most. */
  readonly runningMailboxes: readonly {
    readonly mailboxId: string;
    /** The path of the folder that the latest page came from. */
    readonly folder: string | null;
    readonly records: number;
  }[];
}

export async function mailboxTotals(db: Database, scanNo: number): Promise<MailboxTotals> {
  const [totals] = await query<Omit<MailboxTotals, 'runningMailboxes'>>(db, {
    text: `SELECT count(*) AS total,
        count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'running') AS running,
        count(*) FILTER (WHERE state = 'completed') AS completed, count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE state = 'skipped') AS skipped, count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
        coalesce(sum(records), 0) AS records, coalesce(sum(expected), 0) AS expected, max(updated_at) AS "updatedAt"
      FROM outhaul.scan_mailboxes WHERE scan_no = $1`,
    values: [scanNo],
  });
  const runningMailboxes = await query<MailboxTotals['runningMailboxes'][number]>(db, {
    text: `SELECT mailbox_id AS "mailboxId", current_folder AS folder, records FROM outhaul.scan_mailboxes
      WHERE scan_no = $1 AND state = 'running' ORDER BY updated_at DESC LIMIT 50`,
    values: [scanNo],
  });
  const none = { total: 0, waiting: 0, running: 0, completed: 0, failed: 0, skipped: 0, cancelled: 0 };
  return { ...none, records: 0, expected: 0, updatedAt: null, ...totals, runningMailboxes };
}
