import type { EmailRow } from '../model/email.ts';

type ColumnType = 'text' | 'boolean' | 'timestamptz' | 'jsonb' | 'json';

/** The columns of `emails` that hold what Graph said. */
const TYPES: Readonly<Record<keyof EmailRow, ColumnType>> = {
  id: 'text',
  subject: 'text',
  sender_address: 'text',
  sender_name: 'text',
  from_address: 'text',
  from_name: 'text',
  to_recipients: 'jsonb',
  cc_recipients: 'jsonb',
  bcc_recipients: 'jsonb',
  reply_to: 'jsonb',
  received_date_time: 'timestamptz',
  sent_date_time: 'timestamptz',
  created_date_time: 'timestamptz',
  last_modified_date_time: 'timestamptz',
  body_preview: 'text',
  body_content: 'text',
  body_content_type: 'text',
  has_attachments: 'boolean',
  importance: 'text',
  inference_classification: 'text',
  is_read: 'boolean',
  is_draft: 'boolean',
  is_delivery_receipt_requested: 'boolean',
  is_read_receipt_requested: 'boolean',
  flag_status: 'text',
  conversation_id: 'text',
  conversation_index: 'text',
  internet_message_id: 'text',
  categories: 'jsonb',
  parent_folder_id: 'text',
  web_link: 'text',
  change_key: 'text',
  record: 'json',
};

export const EMAIL_COLUMNS = Object.keys(TYPES) as readonly (keyof EmailRow)[];

/**
 * The key under which a column travels to the database. Rows go as one JSON array of objects, so that every byte of a
 * key is sent, and parsed there, once a message: with the columns' own names a page costs half as much again.
 */
const KEYS = {
  id: 'a',
  subject: 'b',
  sender_address: 'c',
  sender_name: 'd',
  from_address: 'e',
  from_name: 'f',
  to_recipients: 'g',
  cc_recipients: 'h',
  bcc_recipients: 'i',
  reply_to: 'j',
  received_date_time: 'k',
  sent_date_time: 'l',
  created_date_time: 'm',
  last_modified_date_time: 'n',
  body_preview: 'o',
  body_content: 'p',
  body_content_type: 'q',
  has_attachments: 'r',
  importance: 's',
  inference_classification: 't',
  is_read: 'u',
  is_draft: 'v',
  is_delivery_receipt_requested: 'w',
  is_read_receipt_requested: 'x',
  flag_status: 'y',
  conversation_id: 'z',
  conversation_index: 'aa',
  internet_message_id: 'ab',
  categories: 'ac',
  parent_folder_id: 'ad',
  web_link: 'ae',
  change_key: 'af',
  record: 'ag',
} as const satisfies Readonly<Record<keyof EmailRow, string>>;

type Packed = { readonly [Column in keyof typeof KEYS as (typeof KEYS)[Column]]: unknown };

/** What the page says about a message beside the message itself. */
export interface RowMarks {
  /** Merged from a partial record: to be written even under the change key that is stored. */
  readonly merged: boolean;
  /** The page says, too, that the message left the folder. */
  readonly removed: boolean;
}

/** A row as it travels. The record goes as a string: nested, its escapes would be decoded on the way, and refused. */
export function packEmail(
  row: EmailRow,
  marks: RowMarks,
): Packed & { readonly [Mark in keyof RowMarks]: true | undefined } {
  return {
    a: row.id,
    b: row.subject,
    c: row.sender_address,
    d: row.sender_name,
    e: row.from_address,
    f: row.from_name,
    g: row.to_recipients,
    h: row.cc_recipients,
    i: row.bcc_recipients,
    j: row.reply_to,
    k: row.received_date_time,
    l: row.sent_date_time,
    m: row.created_date_time,
    n: row.last_modified_date_time,
    o: row.body_preview,
    p: row.body_content,
    q: row.body_content_type,
    r: row.has_attachments,
    s: row.importance,
    t: row.inference_classification,
    u: row.is_read,
    v: row.is_draft,
    w: row.is_delivery_receipt_requested,
    x: row.is_read_receipt_requested,
    y: row.flag_status,
    z: row.conversation_id,
    aa: row.conversation_index,
    ab: row.internet_message_id,
    ac: row.categories,
    ad: row.parent_folder_id,
    ae: row.web_link,
    af: row.change_key,
    ag: row.record === null ? null : JSON.stringify(row.record),
    merged: marks.merged || undefined,
    removed: marks.removed || undefined,
  };
}

/** `jsonb` is cast from text: PostgreSQL takes half as long for that as for making it out of its own JSON parser. */
const traveling = (type: ColumnType): string => (type === 'jsonb' || type === 'json' ? 'text' : type);
const received = (column: keyof EmailRow): string =>
  traveling(TYPES[column]) === TYPES[column] ? KEYS[column] : `${KEYS[column]}::${TYPES[column]}`;

/** A table `packed` with the rows of parameter `$n`, its columns named as in `emails`, and their marks. */
export const unpack = (parameter: string): string =>
  `SELECT ${EMAIL_COLUMNS.map((column) => `${received(column)} AS ${column}`).join(', ')},
      coalesce(merged, false) AS merged, coalesce(removed, false) AS removed
    FROM json_to_recordset(${parameter}::json) AS packed(
      ${EMAIL_COLUMNS.map((column) => `${KEYS[column]} ${traveling(TYPES[column])}`).join(', ')},
      merged boolean, removed boolean)`;
