import { randomBytes } from 'node:crypto';
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

/** The columns that say of a row of an organization's tables when, from where and for what it was read. */
export const EXTRACTION_COLUMNS = [
  '_extracted_at',
  '_scan_id',
  '_tenant_id',
  '_user_email',
  '_user_id',
  '_user_display_name',
  '_folder',
  '_extraction_type',
] as const;

/** A row on its way into `emails`, and what its page says about it beside the message itself. */
export interface PageRow {
  readonly row: EmailRow;
  /** Whether this version was read with its body. */
  readonly content: 'full' | 'headers';
  /** Merged from a partial record that says something new: to be written even under the change key that is stored. */
  readonly merged: boolean;
  /** The page says, too, that the message left the folder. */
  readonly removed: boolean;
}

/** Rows as they travel: one text, whose values are told apart by separators that end in the key. */
export interface EncodedRows {
  readonly text: string;
  readonly key: string;
}

const LINE_END = '\x1d';
const VALUE_END = '\x1e';
const NOTHING = '\x15';
/** The values of a line: the columns, the content and the two marks. */
const WIDTH = EMAIL_COLUMNS.length + 3;

/**
 * Rows as one text, which is the cheapest way into PostgreSQL, on both sides: as one JSON array they take half as long
 * again here, and PostgreSQL twice as long to take apart. The separators end in a random key, new for every page, so
 * that no message can hold one on purpose; should one do so by chance, its line has too many values, comes out without
 * an id, and is refused as a whole.
 */
export function encodeRows(rows: readonly PageRow[]): EncodedRows {
  const key = randomBytes(3).toString('base64url');
  const nothing = NOTHING + key;
  const lines = rows.map(({ row, content, merged, removed }) => {
    const values = EMAIL_COLUMNS.map((column) => encodeValue(row[column], nothing));
    values.push(content, encodeValue(merged, nothing), encodeValue(removed, nothing));
    return values.join(VALUE_END + key);
  });
  return { text: lines.join(LINE_END + key), key };
}

function encodeValue(value: EmailRow[keyof EmailRow], nothing: string): string {
  if (typeof value === 'string') return value;
  if (value === null) return nothing;
  if (typeof value === 'boolean') return value ? 't' : 'f';
  return JSON.stringify(value);
}

/** The rows of the parameters `text` and `key` as a query, its columns named as in `emails`, the content and the two marks. */
export const decodedRows = (text: string, key: string): string =>
  `SELECT CASE WHEN cardinality(value) = ${WIDTH} THEN value[1] END AS id,
    ${EMAIL_COLUMNS.slice(1)
      .map((column, index) => `value[${index + 2}]::${TYPES[column]} AS ${column}`)
      .join(', ')},
    value[${WIDTH - 2}] AS _content, value[${WIDTH - 1}]::boolean AS merged, value[${WIDTH}]::boolean AS removed
  FROM string_to_table(${text}::text, E'\\x1d' || ${key}::text) AS line
    CROSS JOIN LATERAL string_to_array(line, E'\\x1e' || ${key}::text, E'\\x15' || ${key}::text) AS value`;
