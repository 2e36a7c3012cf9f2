import { readAttachments } from '../../simulator/control/read-attachment.ts';
import { attachmentsOfMessage } from '../../store/attachment-lookup.ts';
import type { MailboxStage } from './stage.ts';

/** What a slice answers that has come to its end. */
export const DONE = { done: true, outcome: 'completed' };

/** A file for `arrive`; one of another length has other bytes. */
export const file = (name: string, bytes = 100, more = {}) => ({ kind: 'file', name, bytes, seed: bytes, ...more });

/** Mail with attachments on a stage. */
export const attachedMailOn = (stage: MailboxStage) => ({
  /** A message with these attachments arrives in a mailbox. @returns its id */
  arrive: (mailbox: string, attachments: readonly object[], message = {}): string =>
    stage.simulator.control.addMessage(
      { mailbox, folder: 'inbox' },
      { subject: 'With attachments', hasAttachments: attachments.length > 0, ...message },
      readAttachments(attachments),
    ).id,
  /** What the store has of a message's attachments. */
  stored: (mailboxId: string, messageId: string) =>
    attachmentsOfMessage(stage.store.db, stage.organization, { mailboxId, messageId }),
  /** What Graph has of them. */
  truth: async (mailbox: string, message: string) =>
    (await stage.simulator.control.attachments.truth.page({ mailbox, message })).value,
});
