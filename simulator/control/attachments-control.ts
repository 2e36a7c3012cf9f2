import { attachmentId, numberOf } from '../mail/attachment-ids.ts';
import type { AttachmentRecord } from '../mail/record.ts';
import { updateMessage } from '../tenant/changes.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import { AttachmentTruth } from './attachment-truth.ts';
import type { AttachmentRef, MessageRef, Places } from './places.ts';
import type { Truth } from './truth.ts';

type Numbered = AttachmentRecord & { number: number };

/**
 * Changes the attachments of messages, and tells what they really are. Each change is one of the message: delta tells of
 * it, its `lastModifiedDateTime` and `hasAttachments` follow, and its MIME text is composed anew.
 */
export class AttachmentsControl {
  readonly truth: AttachmentTruth;
  readonly #places: Places;

  constructor(truth: Truth, places: Places) {
    this.truth = new AttachmentTruth(truth);
    this.#places = places;
  }

  /** Puts an attachment behind those of a message; returns the id that it has where immutable ids are asked for. */
  add(ref: MessageRef, attachment: AttachmentRecord): { id: string } {
    const { mailbox, ordinal } = this.#places.message(ref);
    const before = attachmentsOf(mailbox, ordinal);
    const number = Math.max(mailbox.entries.get(ordinal)?.record?.nextAttachment ?? 0, next(before));
    set(mailbox, ordinal, [...before, { ...attachment, number, changedAt: now() }], number + 1);
    return { id: attachmentId(mailbox.ids.immutable(ordinal), number) };
  }

  /** Puts another attachment in the place of one; its id stays. */
  replace(ref: AttachmentRef, attachment: AttachmentRecord): void {
    const { mailbox, ordinal, number } = this.#places.attachment(ref);
    const changed = { ...attachment, number, changedAt: now() };
    const before = attachmentsOf(mailbox, ordinal);
    set(mailbox, ordinal, before.map((each) => (each.number === number ? changed : each)), next(before)); // prettier-ignore
  }

  /** Takes an attachment away; no other one ever gets its id. */
  remove(ref: AttachmentRef): void {
    const { mailbox, ordinal, number } = this.#places.attachment(ref);
    const before = attachmentsOf(mailbox, ordinal);
    set(mailbox, ordinal, before.filter((each) => each.number !== number), next(before)); // prettier-ignore
  }
}

function attachmentsOf(mailbox: Mailbox, ordinal: number): Numbered[] {
  return mailbox.attachments(ordinal).map((each, index) => ({ ...each, number: numberOf(each, index) }));
}

function next(attachments: readonly Numbered[]): number {
  return attachments.reduce((most, { number }) => Math.max(most, number + 1), 0);
}

function set(mailbox: Mailbox, ordinal: number, attachments: readonly Numbered[], atLeast: number): void {
  const nextAttachment = Math.max(mailbox.entries.get(ordinal)?.record?.nextAttachment ?? 0, atLeast);
  const hasAttachments = attachments.some(({ isInline }) => !isInline);
  updateMessage(mailbox, ordinal, { hasAttachments }, now(), { attachments, nextAttachment });
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
