import { isDeepStrictEqual } from 'node:util';

/**
 * What a stored message must look like, worked out from Graph's JSON alone. Nothing of the product's own conversion is
 * used here, so that a mistake there cannot hide itself.
 */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [member: string]: Json | undefined;
}

/** A row of `emails` as the store answers it: times as ISO 8601, JSON parsed. */
export type StoredRow = Readonly<Record<string, unknown>>;

/** What columns hold of a member, and whether it could be told from them exactly. */
interface Expected {
  readonly columns: Readonly<Record<string, Expectation>>;
  readonly exact: boolean;
}

type Expectation = Json | Moment;

/** A time, compared as a moment and not as a text. */
class Moment {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
}

type Reader = (value: Json) => Expected;

const READERS: Readonly<Record<string, Reader>> = {
  id: text('id'),
  subject: text('subject'),
  bodyPreview: text('body_preview'),
  importance: text('importance'),
  inferenceClassification: text('inference_classification'),
  conversationId: text('conversation_id'),
  conversationIndex: text('conversation_index'),
  internetMessageId: text('internet_message_id'),
  parentFolderId: text('parent_folder_id'),
  webLink: text('web_link'),
  changeKey: text('change_key'),
  isRead: flag('is_read'),
  isDraft: flag('is_draft'),
  hasAttachments: flag('has_attachments'),
  isDeliveryReceiptRequested: flag('is_delivery_receipt_requested'),
  isReadReceiptRequested: flag('is_read_receipt_requested'),
  receivedDateTime: moment('received_date_time'),
  sentDateTime: moment('sent_date_time'),
  createdDateTime: moment('created_date_time'),
  lastModifiedDateTime: moment('last_modified_date_time'),
  sender: person('sender_address', 'sender_name'),
  from: person('from_address', 'from_name'),
  toRecipients: list('to_recipients', readRecipient),
  ccRecipients: list('cc_recipients', readRecipient),
  bccRecipients: list('bcc_recipients', readRecipient),
  replyTo: list('reply_to', readRecipient),
  categories: list('categories', (value) => (typeof value === 'string' ? part(value) : undefined)),
  body: parts({ contentType: 'body_content_type', content: 'body_content' }),
  flag: parts({ flagStatus: 'flag_status' }),
};

/**
 * The names of the columns of a stored row that do not say what Graph says. What a column cannot hold exactly must be in
 * `record`, as Graph sent it.
 */
export function differingColumns(message: JsonObject, row: StoredRow): string[] {
  const record = isObject(row['record']) ? row['record'] : {};
  const differing: string[] = [];
  for (const [member, read] of Object.entries(READERS)) {
    const value = message[member] ?? null;
    const { columns, exact } = read(value);
    for (const [column, expected] of Object.entries(columns)) {
      if (!isStoredAs(row[column], expected)) differing.push(column);
    }
    if (!exact && !isDeepStrictEqual(record[member], value)) differing.push(`record.${member}`);
  }
  for (const [member, kept] of Object.entries(record)) {
    if (member.startsWith('@odata.') && message[member] === undefined) continue;
    if (!isDeepStrictEqual(kept, message[member])) differing.push(`record.${member}`);
  }
  return [...new Set(differing)];
}

function isStoredAs(stored: unknown, expected: Expectation): boolean {
  if (expected instanceof Moment) return typeof stored === 'string' && Date.parse(stored) === expected.ms;
  return isDeepStrictEqual(stored ?? null, expected);
}

/** PostgreSQL's `text` holds neither NUL nor half a surrogate pair, which UTF-8 cannot encode: each becomes U+FFFD. */
const storable = (value: string): string => Buffer.from(value, 'utf8').toString('utf8').replaceAll('\u0000', '\ufffd');

interface Part {
  readonly value: Json;
  readonly exact: boolean;
}

function part(value: Json | undefined): Part {
  if (typeof value !== 'string') return { value: null, exact: value == null };
  return { value: storable(value), exact: storable(value) === value };
}

function text(column: string): Reader {
  return (value) => {
    const { value: stored, exact } = part(value);
    return { columns: { [column]: stored }, exact };
  };
}

function flag(column: string): Reader {
  return (value) => {
    const isFlag = typeof value === 'boolean';
    return { columns: { [column]: isFlag ? value : null }, exact: isFlag || value === null };
  };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d+))?(?:Z|[+-]\d\d:\d\d)$/;

/** Whole seconds are exact; what is finer is stored to the millisecond and kept as received beside. */
function moment(column: string): Reader {
  return (value) => {
    if (value === null) return { columns: { [column]: null }, exact: true };
    const ms = typeof value === 'string' && TIME.test(value) ? Date.parse(value) : Number.NaN;
    const plain = typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value);
    return { columns: { [column]: Number.isNaN(ms) ? null : new Moment(ms) }, exact: plain && !Number.isNaN(ms) };
  };
}

/** An object whose members go to a column each. */
function parts(columns: Readonly<Record<string, string>>): Reader {
  return (value) => {
    const object = isObject(value) ? value : {};
    const read = Object.entries(columns).map(([member, column]) => [column, part(object[member])] as const);
    return {
      columns: Object.fromEntries(read.map(([column, { value: stored }]) => [column, stored])),
      exact:
        (value === null || isObject(value)) &&
        Object.keys(object).every((member) => member in columns) &&
        read.every(([, { exact }]) => exact),
    };
  };
}

function person(address: string, name: string): Reader {
  return (value) => {
    const read = readRecipient(value);
    const { address: at, name: called } = (read?.value ?? { address: null, name: null }) as JsonObject;
    return {
      columns: { [address]: at ?? null, [name]: called ?? null },
      exact: value === null || (read?.exact ?? false),
    };
  };
}

/** `{address, name}` of Graph's `{emailAddress: {address, name}}`; undefined where it is none. */
function readRecipient(value: Json): Part | undefined {
  if (!isObject(value) || !isObject(value['emailAddress'])) return undefined;
  const { address, name, ...others } = value['emailAddress'];
  const [at, called] = [part(address), part(name)];
  const hasMore = Object.keys(others).length > 0 || Object.keys(value).length > 1;
  return { value: { address: at.value, name: called.value }, exact: at.exact && called.exact && !hasMore };
}

function list(column: string, readItem: (value: Json) => Part | undefined): Reader {
  return (value) => {
    if (!Array.isArray(value)) return { columns: { [column]: null }, exact: value === null };
    const items = (value as readonly Json[]).map(readItem);
    const held = items.filter((item) => item !== undefined);
    return {
      columns: { [column]: held.map((item) => item.value) },
      exact: held.length === items.length && held.every(({ exact }) => exact),
    };
  };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
