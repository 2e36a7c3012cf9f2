import type { FinalScanStatus, MailboxReason } from '../model/scan.ts';

/** How the check of a scan's credential went. */
export type CredentialVerdict =
  { readonly status: 'accepted' } | { readonly status: 'refused' | 'unreachable'; readonly reason: string };

/** A stretch of the tenant's mailboxes, in a stable order. */
export interface MailboxStretch {
  readonly mailboxIds: readonly string[];
  /** Where the next stretch starts. */
  readonly after: number;
}

/** What `scanTenant` has done for it outside. */
export interface ScanActivities {
  /**
   * Tries the scan's candidate credential, or the organization's active one. A candidate that works replaces the
   * active one; a scan whose credential is refused is discarded, so that its id can be used again.
   */
  checkCredential(input: { organizationId: string; scanNo: number }): Promise<CredentialVerdict>;
  /** Lets the scan run if fewer than the allowed number run, first come first served. */
  takeTurn(input: { scanNo: number }): Promise<'running' | 'pending'>;
  /** Lists the tenant's users into the store. */
  discoverMailboxes(input: { organizationId: string; scanNo: number }): Promise<{ readonly mailboxes: number }>;
  /** The next mailboxes to read. An empty stretch is the end. */
  nextMailboxes(input: { scanNo: number; after: number; limit: number }): Promise<MailboxStretch>;
  /** Of the mailboxes given, those that the store does not know as finished. */
  unfinishedMailboxes(input: { scanNo: number; mailboxIds: readonly string[] }): Promise<readonly string[]>;
  /** Records that a mailbox could not be read. The first final state of a mailbox stays. */
  recordFailedMailbox(input: {
    scanNos: readonly number[];
    organizationId: string;
    mailboxId: string;
    reason: MailboxReason;
  }): Promise<void>;
  /** Ends the scan in the store; returns its final status and the scans that may take their turn now. */
  finishScan(input: {
    organizationId: string;
    scanNo: number;
    /** `ran`: to the end of its list; the final status follows from its mailboxes. */
    end: 'ran' | 'cancelled' | 'failed';
    /** Why it failed, without personal data. */
    message?: string;
  }): Promise<{
    readonly status: FinalScanStatus;
    readonly waiting: readonly { organizationId: string; scanId: string }[];
  }>;
}
