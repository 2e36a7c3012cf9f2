import type { Readable } from 'node:stream';
import type { GraphAttachment } from '../model/attachment.ts';
import { exchangeError, GraphError } from './errors.ts';
import { LinkGuard } from './links.ts';
import type { MailboxClient } from './mailbox.ts';
import { IMMUTABLE_IDS, messageOf } from './messages.ts';
import { collectionOf } from './pages.ts';
import { segment, withQuery } from './paths.ts';

/** Bytes of a list with contents, in Base64: what one message may take of the memory. */
export const MOST_LISTED_BYTES = 4 * 1024 * 1024;

/** An attachment of a message's list. */
export interface FoundAttachment {
  /** Without its content. */
  readonly attachment: GraphAttachment;
  /** The bytes of a file that is small enough to stand in the list. */
  readonly content?: Buffer;
}

/** The attachments of a message, in Graph's order. */
export interface AttachmentsFound {
  readonly attachments: readonly FoundAttachment[];
  /** Size of the answer, decompressed. */
  readonly bytes: number;
  /** Whether it holds escapes of NUL or of surrogates, so that strings may need cleaning before they are stored. */
  readonly suspicious: boolean;
}

const MEMBERS = ['id', 'name', 'contentType', 'size', 'isInline', 'lastModifiedDateTime'];
/** A member of files alone has to be named with its type. */
const CONTENT_ID = 'microsoft.graph.fileAttachment/contentId';

/**
 * The attachments of a message, of any kind. With contents, files up to some 3 MB come with their bytes.
 * https://learn.microsoft.com/graph/api/message-list-attachments
 * @throws GraphError `item_missing`; `body_too_large`, and whatever else one attachment may cause (`mayBeContent`): ask
 * without contents
 */
export async function readAttachments(
  mailbox: MailboxClient,
  messageId: string,
  { contents }: { readonly contents: boolean },
  signal: AbortSignal,
): Promise<AttachmentsFound> {
  if (contents) return readList(mailbox, messageId, undefined, signal);
  try {
    return await readList(mailbox, messageId, [...MEMBERS, CONTENT_ID], signal);
  } catch (error) {
    if (!(error instanceof GraphError) || error.kind !== 'bad_request') throw error;
    return readList(mailbox, messageId, MEMBERS, signal);
  }
}

async function readList(
  mailbox: MailboxClient,
  messageId: string,
  members: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<AttachmentsFound> {
  const shared = { kind: 'attachments', target: 'message', headers: { prefer: IMMUTABLE_IDS }, signal } as const;
  const most = members ? {} : { maxBodyBytes: MOST_LISTED_BYTES };
  const path = withQuery(`/messages/${segment(messageId)}/attachments`, { $select: members?.join(',') });
  const found: FoundAttachment[] = [];
  const guard = new LinkGuard();
  let bytes = 0;
  let suspicious = false;
  for (let link: string | undefined; ;) {
    const answer = await mailbox.send({ ...shared, ...most, ...(link === undefined ? { path } : { link }) });
    const page = collectionOf(answer);
    bytes += answer.bytes;
    suspicious ||= answer.suspicious;
    if (!members && bytes > MOST_LISTED_BYTES) {
      throw exchangeError('BodyTooLarge', `The attachments of a message are larger than ${MOST_LISTED_BYTES} bytes`);
    }
    for (const entry of page.value) found.push(foundIn(entry));
    if (page.next === undefined) return { attachments: found, bytes, suspicious };
    link = mailbox.ownLink(page.next);
    guard.pass(link);
  }
}

function foundIn(entry: Record<string, unknown>): FoundAttachment {
  const { contentBytes } = entry;
  // What is decoded need not be held as text as well.
  delete entry['contentBytes'];
  const content = typeof contentBytes === 'string' ? decoded(contentBytes) : undefined;
  const attachment = messageOf(entry);
  return content ? { attachment, content } : { attachment };
}

/** The bytes; undefined where the text is not Base64 from end to end. */
function decoded(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return text.length % 4 === 0 && bytes.length === (text.length / 4) * 3 - padding ? bytes : undefined;
}

/** An attachment whose bytes are wanted. */
export interface WantedContent {
  readonly messageId: string;
  readonly attachmentId: string;
  /** How many it has at the least, where that is known: Graph has answered with fewer, as if these were all. */
  readonly leastBytes?: number | undefined;
}

/**
 * The bytes of an attachment, of any size: those of a file, the MIME text of a message. The request goes on while `take`
 * takes them; it is called again where the bytes break off, or are too few, and Graph is asked once more.
 * https://learn.microsoft.com/graph/api/attachment-get
 * @throws GraphError `bad_request` for a link, which has no bytes; `Truncated`; what `take` throws
 */
export async function readContent<T>(
  mailbox: MailboxClient,
  { messageId, attachmentId, leastBytes }: WantedContent,
  take: (bytes: Readable) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { content } = await mailbox.send({
    kind: 'attachment',
    target: 'message',
    path: `/messages/${segment(messageId)}/attachments/${segment(attachmentId)}/$value`,
    headers: { prefer: IMMUTABLE_IDS },
    receive: take,
    leastBytes,
    signal,
  });
  return content as T;
}
