import { attachmentId, numberOf } from '../mail/attachment-ids.ts';
import { sha256Of } from '../mail/content.ts';
import type { AttachmentRecord } from '../mail/record.ts';
import { sizeOf } from '../msgraph/attachment-json.ts';
import { cursorOf, type Truth, type TruthPlace, type TruthQuery } from './truth.ts';

/** One attachment as it really is. */
export interface TruthAttachment {
  /** The user's id. */
  mailbox: string;
  /** The message's immutable id. */
  message: string;
  /** Its id where immutable ids are asked for. */
  id: string;
  kind: AttachmentRecord['kind'];
  name: string | null;
  contentType: string | null;
  isInline: boolean;
  contentId: string | null;
  /** The size that Graph tells. */
  size: number;
  /** Bytes that `/$value` gives, and their SHA-256 in hexadecimal; null for references. */
  bytes: number | null;
  sha256: string | null;
}

/** Tells what attachments the tenant really holds. Contents are hashed piece by piece and never held. */
export class AttachmentTruth {
  readonly #truth: Truth;

  constructor(truth: Truth) {
    this.#truth = truth;
  }

  /** Every attachment of every message, one after the other; of one message where `message` is given. */
  async *all(query: TruthQuery & { message?: string } = {}): AsyncGenerator<TruthAttachment> {
    for (const place of this.#truth.places(query)) {
      if (isMeant(place, query.message)) yield* this.#of(place);
    }
  }

  /** The attachments of up to `limit` messages (default 1,000) and the cursor of the next page, null at the end. */
  async page(
    query: TruthQuery & { message?: string } = {},
  ): Promise<{ value: TruthAttachment[]; next: string | null }> {
    const value: TruthAttachment[] = [];
    let messages = 0;
    for (const place of this.#truth.places(query)) {
      if (!isMeant(place, query.message)) continue;
      if (messages++ === (query.limit ?? 1_000)) return { value, next: cursorOf(place) };
      for await (const attachment of this.#of(place)) value.push(attachment);
    }
    return { value, next: null };
  }

  async *#of({ user, mailbox, folder, position }: TruthPlace): AsyncGenerator<TruthAttachment> {
    const ordinal = mailbox.order(folder)[position];
    if (ordinal === undefined) return;
    const message = mailbox.ids.immutable(ordinal);
    for (const [index, attachment] of mailbox.attachments(ordinal).entries()) {
      const content = contentOf(attachment);
      yield {
        mailbox: user.id,
        message,
        id: attachmentId(message, numberOf(attachment, index)),
        kind: attachment.kind,
        name: attachment.name,
        contentType: attachment.contentType,
        isInline: attachment.isInline,
        contentId: attachment.kind === 'file' ? attachment.contentId : null,
        size: sizeOf(attachment),
        bytes: content?.length ?? null,
        sha256: content ? await sha256Of(content) : null,
      };
    }
  }
}

function isMeant({ mailbox, folder, position }: TruthPlace, message: string | undefined): boolean {
  return message === undefined || mailbox.order(folder)[position] === mailbox.messageById(message);
}

function contentOf(attachment: AttachmentRecord) {
  if (attachment.kind === 'reference') return undefined;
  return attachment.kind === 'file' ? attachment.content : attachment.mime;
}
