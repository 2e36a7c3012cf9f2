import { DEFAULT_CONTENT, keepsBodies, membersOf, type Content } from './content.ts';
import type { GraphMessage, JsonObject } from './mail.ts';
import { MemberReader, emptyRecord, type Recipient } from './member-reader.ts';

/** A message as the columns of `emails` hold it; times are ISO 8601 in UTC. */
export interface EmailRow {
  readonly id: string;
  readonly subject: string | null;
  readonly sender_address: string | null;
  readonly sender_name: string | null;
  readonly from_address: string | null;
  readonly from_name: string | null;
  readonly to_recipients: readonly Recipient[] | null;
  readonly cc_recipients: readonly Recipient[] | null;
  readonly bcc_recipients: readonly Recipient[] | null;
  readonly reply_to: readonly Recipient[] | null;
  readonly received_date_time: string | null;
  readonly sent_date_time: string | null;
  readonly created_date_time: string | null;
  readonly last_modified_date_time: string | null;
  readonly body_preview: string | null;
  readonly body_content: string | null;
  readonly body_content_type: string | null;
  readonly has_attachments: boolean | null;
  readonly importance: string | null;
  readonly inference_classification: string | null;
  readonly is_read: boolean | null;
  readonly is_draft: boolean | null;
  readonly is_delivery_receipt_requested: boolean | null;
  readonly is_read_receipt_requested: boolean | null;
  readonly flag_status: string | null;
  readonly conversation_id: string | null;
  readonly conversation_index: string | null;
  readonly internet_message_id: string | null;
  readonly categories: readonly string[] | null;
  readonly parent_folder_id: string | null;
  readonly web_link: string | null;
  readonly change_key: string | null;
  /** Members that no column holds exactly as received; null when nothing is left over. */
  readonly record: JsonObject | null;
}

/**
 * Splits a message into columns. What a column cannot hold exactly (a wrong type, a member that nobody knows, a time
 * with a fraction, a string with NUL in it) is kept as received in `record`, beside the nearest thing that the column
 * can hold. A member that is absent and one that is null are the same: a null column.
 *
 * @param suspicious whether the text that the message was parsed from had escapes of NUL or surrogates in it. Without
 *   them strings can hold neither, and are not looked through.
 */
export function toEmailRow(message: GraphMessage, suspicious: boolean): EmailRow {
  const reader = new MemberReader(message, suspicious);
  const body = reader.body();
  const sender = reader.recipient('sender');
  const from = reader.recipient('from');
  const row = {
    id: reader.text('id') ?? '',
    subject: reader.text('subject'),
    sender_address: sender?.address ?? null,
    sender_name: sender?.name ?? null,
    from_address: from?.address ?? null,
    from_name: from?.name ?? null,
    to_recipients: reader.recipients('toRecipients'),
    cc_recipients: reader.recipients('ccRecipients'),
    bcc_recipients: reader.recipients('bccRecipients'),
    reply_to: reader.recipients('replyTo'),
    received_date_time: reader.time('receivedDateTime'),
    sent_date_time: reader.time('sentDateTime'),
    created_date_time: reader.time('createdDateTime'),
    last_modified_date_time: reader.time('lastModifiedDateTime'),
    body_preview: reader.text('bodyPreview'),
    body_content: body.content,
    body_content_type: body.contentType,
    has_attachments: reader.flag('hasAttachments'),
    importance: reader.text('importance'),
    inference_classification: reader.text('inferenceClassification'),
    is_read: reader.flag('isRead'),
    is_draft: reader.flag('isDraft'),
    is_delivery_receipt_requested: reader.flag('isDeliveryReceiptRequested'),
    is_read_receipt_requested: reader.flag('isReadReceiptRequested'),
    flag_status: reader.flagStatus(),
    conversation_id: reader.text('conversationId'),
    conversation_index: reader.text('conversationIndex'),
    internet_message_id: reader.text('internetMessageId'),
    categories: reader.strings('categories'),
    parent_folder_id: reader.text('parentFolderId'),
    web_link: reader.text('webLink'),
    change_key: reader.changeKey(),
    record: null,
  };
  reader.rest();
  return reader.record === null ? row : { ...row, record: reader.record };
}

/** Members whose absence says nothing: Graph leaves them out of drafts and of some system items. */
const OPTIONAL: ReadonlySet<string> = new Set(['from', 'sender']);
const EXPECTED = membersOf('full').filter((member) => !OPTIONAL.has(member));
const EXPECTED_OF_HEADERS = membersOf('headers').filter((member) => !OPTIONAL.has(member));

/**
 * Whether a message is less than what was asked for, as delta records of a mere change may be: it says what is
 * different, and nothing about the rest.
 */
export const isPartial = (message: GraphMessage, content: Content = DEFAULT_CONTENT): boolean =>
  (keepsBodies(content) ? EXPECTED : EXPECTED_OF_HEADERS).some((member) => message[member] === undefined);

/** What tells a message and its version from others, and nothing of what is in it. */
const OF_THE_RECORD: ReadonlySet<string> = new Set([
  'id',
  'changeKey',
  'receivedDateTime',
  'parentFolderId',
  '@odata.etag',
  '@odata.type',
]);

/**
 * Whether a record names a message and its version, and says nothing of what is in it. Such records come from a walk of
 * ids alone.
 */
export const isBare = (message: GraphMessage): boolean =>
  Object.keys(message).every((member) => OF_THE_RECORD.has(member));

/** The version of the message that a record names, as `emails` holds it; null where it names none. */
export const changeKeyOf = (message: GraphMessage): string | null => new MemberReader(message, true).changeKey();

/** Which columns each member is held in, where there is more than one or the name is not the member's own. */
const COLUMNS: Readonly<Record<string, readonly (keyof EmailRow)[]>> = {
  body: ['body_content', 'body_content_type'],
  sender: ['sender_address', 'sender_name'],
  from: ['from_address', 'from_name'],
  flag: ['flag_status'],
  '@odata.etag': ['change_key'],
};

const columnsOf = (member: string): readonly string[] =>
  COLUMNS[member] ?? [member.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];

/** A stored message with what a partial record says about it put in the place of what was known. */
export function mergeEmail(stored: EmailRow, partial: GraphMessage, suspicious: boolean): EmailRow {
  const news = toEmailRow(partial, suspicious);
  const said = Object.keys(partial).filter((member) => partial[member] !== undefined);
  const columns = new Set(said.flatMap(columnsOf));
  const merged = Object.fromEntries(
    Object.entries(stored).map(([column, value]) => [
      column,
      columns.has(column) ? news[column as keyof EmailRow] : value,
    ]),
  ) as unknown as EmailRow;
  return { ...merged, record: mergeRecords(stored.record, news.record, new Set(said)) };
}

function mergeRecords(
  stored: JsonObject | null,
  news: JsonObject | null,
  said: ReadonlySet<string>,
): JsonObject | null {
  const merged = emptyRecord();
  for (const [member, value] of Object.entries(stored ?? {})) if (!said.has(member)) merged[member] = value;
  for (const [member, value] of Object.entries(news ?? {})) merged[member] = value;
  return Object.keys(merged).length === 0 ? null : merged;
}
