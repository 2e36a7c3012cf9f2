import { randomUUID } from 'node:crypto';
import type { Json, JsonObject } from '../mail/bytes.ts';
import { graphTime } from '../mail/clock.ts';
import { recipient } from '../mail/people.ts';
import type { AttachmentRecord, MessageRecord } from '../mail/record.ts';

/** Makes a message large without sending all of it. */
export interface MessageBulk {
  /** So many `toRecipients`. */
  recipients?: number;
  /** So many files. */
  attachments?: number;
  /** Bytes of each. Default 100. */
  attachmentBytes?: number;
  /** Characters of the body. */
  bodyCharacters?: number;
}

/** A message with the members that are given; the others are those of a short text message that arrived now. */
export function newMessage(
  members: JsonObject,
  attachments: readonly AttachmentRecord[],
  bulk: MessageBulk,
): MessageRecord {
  const all = [...attachments, ...files(bulk)];
  return {
    properties: {
      ...ordinary(),
      hasAttachments: all.some(({ isInline }) => !isInline),
      ...bulkMembers(bulk),
      ...members,
    },
    attachments: all,
  };
}

function ordinary(): Record<string, Json> {
  const now = graphTime(Math.floor(Date.now() / 1000));
  const author = recipient({ name: 'Grace Hughes', address: 'grace.hughes@quay.example' });
  return {
    createdDateTime: now,
    lastModifiedDateTime: now,
    categories: [],
    receivedDateTime: now,
    sentDateTime: now,
    internetMessageId: `<${randomUUID()}@quay.example>`,
    subject: 'New mail',
    bodyPreview: 'It has just arrived.',
    importance: 'normal',
    isDeliveryReceiptRequested: false,
    isReadReceiptRequested: false,
    isRead: false,
    isDraft: false,
    inferenceClassification: 'focused',
    body: { contentType: 'text', content: 'It has just arrived.' },
    sender: author,
    from: author,
    toRecipients: [],
    ccRecipients: [],
    bccRecipients: [],
    replyTo: [],
    flag: { flagStatus: 'notFlagged' },
  };
}

function bulkMembers({ recipients = 0, bodyCharacters = 0 }: MessageBulk): JsonObject {
  const members: JsonObject = {};
  if (recipients > 0) {
    members.toRecipients = Array.from({ length: recipients }, (_, at) =>
      recipient({ name: `Reader ${at + 1}`, address: `reader${at + 1}@list.example` }),
    );
  }
  if (bodyCharacters > 0) {
    members.body = {
      contentType: 'text',
      content: 'It is a long one. '.repeat(bodyCharacters / 18 + 1).slice(0, bodyCharacters),
    };
  }
  return members;
}

function files({ attachments = 0, attachmentBytes = 100 }: MessageBulk): AttachmentRecord[] {
  const content = Buffer.alloc(attachmentBytes, 'A page of the file.\n');
  return Array.from({ length: attachments }, (_, at) => ({
    kind: 'file',
    name: `Page ${at + 1}.txt`,
    contentType: 'text/plain',
    isInline: false,
    contentId: null,
    content,
  }));
}
