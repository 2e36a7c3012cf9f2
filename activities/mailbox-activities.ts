import type { MailboxOutcome, MailboxReason } from '../model/scan.ts';

/** What a slice came to. */
export interface SliceResult {
  /** False: the slice's time was up and another is due. */
  readonly done: boolean;
  readonly outcome: MailboxOutcome;
  readonly reason?: MailboxReason;
  /** Messages that this slice stored or saw unchanged. */
  readonly messages: number;
}

/** What `syncMailbox` has done for it outside. */
export interface MailboxActivities {
  /** Reads pages of a mailbox for some minutes, for the scans given, and records how the mailbox stands. */
  readMailbox(input: { organizationId: string; mailboxId: string; scanNos: readonly number[] }): Promise<SliceResult>;
}
