import type { Content } from './content.ts';

/** Where a scan stands. The last five are final. */
export const SCAN_STATUSES = [
  'pending',
  'running',
  'paused',
  'cancelling',
  'cancelled',
  'completed',
  'completed_with_errors',
  'failed',
  'crashed',
] as const;
export type ScanStatus = (typeof SCAN_STATUSES)[number];

export const FINAL_SCAN_STATUSES = ['cancelled', 'completed', 'completed_with_errors', 'failed', 'crashed'] as const;
export type FinalScanStatus = (typeof FINAL_SCAN_STATUSES)[number];
export const isFinal = (status: ScanStatus): status is FinalScanStatus =>
  (FINAL_SCAN_STATUSES as readonly string[]).includes(status);

/** `full` reads every folder from nothing, `incremental` from its saved delta link. */
export const SCAN_MODES = ['full', 'incremental'] as const;
export type ScanMode = (typeof SCAN_MODES)[number];

/** How a mailbox ended in a scan; `skipped` is no error: there was nothing to read, or a policy of ours left it out. */
export type MailboxOutcome = 'completed' | 'failed' | 'skipped' | 'cancelled';

/** Where a mailbox stands in a scan. */
export type MailboxState = 'waiting' | 'running' | MailboxOutcome;

/** Why a mailbox was not read, or not wholly. */
export const MAILBOX_REASONS = [
  'guest',
  'no_mailbox',
  'denied',
  'excluded',
  'not_included',
  'folder_failed',
  'mailbox_busy',
  'graph_failed',
  'credential_refused',
  'internal_error',
] as const;
export type MailboxReason = (typeof MAILBOX_REASONS)[number];

/** Which mailboxes and messages a scan wants. Kept in the store; workflows carry the scan's number only. */
export interface ScanFilters {
  /** Well-known names, display names, paths (`Inbox/Projects`) or `all`. */
  readonly folders: readonly string[];
  /** Addresses, domains or ids; what `exclude` names is left out even where `include` names it. */
  readonly mailboxes?: { readonly include?: readonly string[]; readonly exclude?: readonly string[] };
  /** Only messages received at this time or later, ISO 8601. */
  readonly since?: string;
  /** Only messages received before this time, ISO 8601. */
  readonly until?: string;
  /** What is kept of a message. Default: `full`. */
  readonly content?: Content;
}

/** What a scan is told of a mailbox that it asked for. */
export interface MailboxReport {
  readonly mailboxId: string;
  /** The number of the ask that this answers. */
  readonly ask: number;
  readonly outcome: MailboxOutcome;
  readonly reason?: MailboxReason;
}

/** What a scan is told of a mailbox that Graph wants to be left alone for a while. */
export interface MailboxWait {
  readonly mailboxId: string;
  /** Milliseconds, from when it is told. */
  readonly waitMs: number;
}
