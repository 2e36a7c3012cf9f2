import { GraphError } from '../graph/errors.ts';
import type { MailboxReason } from '../model/scan.ts';

/** Why a mailbox cannot be read at all, where that is Graph's settled answer. */
export function mailboxRefusal(error: unknown): MailboxReason | undefined {
  if (!(error instanceof GraphError)) return undefined;
  if (error.kind === 'mailbox_missing') return 'no_mailbox';
  return error.kind === 'mailbox_denied' ? 'denied' : undefined;
}
