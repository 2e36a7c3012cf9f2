import { EMAIL_COLUMNS, EXTRACTION_COLUMNS } from './email-columns.ts';
import { query, type Database } from './database.ts';
import { InvalidCursor, UnknownTable } from './errors.ts';
import { organizationOf, type Organization } from './organizations.ts';
import { messagesOf } from './partitions.ts';
import type { Scan } from './scans.ts';

/** The tables that a scan fills, as clients name them. */
export const RESULT_TABLES = ['mailboxes', 'mail_folders', 'emails', 'attachments', 'originals'] as const;
export type ResultTable = (typeof RESULT_TABLES)[number];

/** One row as it is in the table; times are ISO 8601 in UTC, JSON is JSON. */
export type ResultRow = Readonly<Record<string, unknown>>;

export interface ResultPage {
  readonly records: readonly ResultRow[];
  readonly pagination: {
    readonly limit: number;
    /** Null where a cursor was given. */
    readonly offset: number | null;
    readonly total: number;
    readonly hasMore: boolean;
    /** Where the next page begins; null on the last one. */
    readonly nextCursor: string | null;
  };
}

export interface PageRequest {
  readonly limit: number;
  /** Rows to leave out. Default 0. */
  readonly offset?: number;
  /** The `nextCursor` of an earlier page of the same table, instead of `offset`: deep pages cost the same. */
  readonly cursor?: string;
}

interface TableSource {
  /** What clients see, in the order of the table. Leases and internal numbers are not theirs. */
  readonly columns: readonly string[];
  /** `key`: numbers that put the rows that the scan saw in an order, always the same. */
  readonly seen: (organization: Organization, scanNo: number) => string;
  /** Finds the row `t` of a `seen.key`. */
  readonly row: (organization: Organization) => string;
  /** How many rows the scan saw, where counting them is not the best way to know. */
  readonly count?: (scanNo: number) => string;
}

const EXTRACTED = [...EXTRACTION_COLUMNS, '_deleted_at'];

/** Of the messages that the scan saw. */
const ofMessages = (table: string) => ({
  seen: ({ schema }: Organization, scanNo: number): string => `SELECT c.key FROM ${messagesOf(scanNo)} s
    CROSS JOIN LATERAL (${table === 'originals' ? 'SELECT _email_no' : 'SELECT _no'} AS key
      FROM ${schema}.${table} WHERE _email_no = s.email_no) c`,
  row: ({ schema }: Organization): string =>
    `${schema}.${table} t ON t.${table === 'originals' ? '_email_no' : '_no'} = seen.key`,
});

const ofScan = (table: string, scanNo: number): string =>
  `(SELECT * FROM outhaul.${table} WHERE scan_no = ${Math.trunc(scanNo)})`;

const SOURCES: Readonly<Record<ResultTable, TableSource>> = {
  mailboxes: {
    columns: ['id', 'mail', 'display_name', 'user_principal_name', 'account_enabled', 'user_type', ...EXTRACTED],
    seen: ({ schema }, scanNo) => `SELECT m.mailbox_no AS key
      FROM ${ofScan('scan_mailboxes', scanNo)} s JOIN ${schema}.mailboxes m ON m.id = s.mailbox_id`,
    row: ({ schema }) => `${schema}.mailboxes t ON t.mailbox_no = seen.key`,
  },
  mail_folders: {
    columns: [
      'id',
      'display_name',
      'parent_folder_id',
      'child_folder_count',
      'total_item_count',
      'is_hidden',
      'is_virtual',
      'path',
      'well_known_name',
      ...EXTRACTED,
    ],
    seen: ({ schema }, scanNo) => `SELECT f.folder_no AS key
      FROM ${ofScan('scan_folders', scanNo)} s JOIN ${schema}.mailboxes m ON m.id = s.mailbox_id
        JOIN ${schema}.mail_folders f ON f.mailbox_no = m.mailbox_no AND f.id = s.folder_id`,
    row: ({ schema }) => `${schema}.mail_folders t ON t.folder_no = seen.key`,
  },
  emails: {
    columns: [...EMAIL_COLUMNS, ...EXTRACTED],
    seen: (_, scanNo) => `SELECT email_no AS key FROM ${messagesOf(scanNo)} s`,
    row: ({ schema }) => `${schema}.emails t ON t._no = seen.key`,
    // Kept in the transactions that store the messages: counting them would tell the same, later.
    count: (scanNo) => `SELECT sum(records) AS total FROM ${ofScan('scan_mailboxes', scanNo)} s`,
  },
  attachments: {
    columns: [
      ...['id', 'message_id', 'kind', 'name', 'content_type', 'size', 'is_inline', 'content_id', 'source_url'],
      ...[
        'last_modified_date_time',
        'position',
        'state',
        'reason',
        'request_id',
        'sha256',
        'byte_size',
        'sniffed_type',
      ],
      ...['record', ...EXTRACTION_COLUMNS],
    ],
    ...ofMessages('attachments'),
  },
  originals: {
    columns: ['message_id', 'state', 'reason', 'request_id', 'sha256', 'byte_size', ...EXTRACTION_COLUMNS],
    ...ofMessages('originals'),
  },
};

/**
 * What a scan has stored, table by table.
 * @throws {UnknownOrganization}
 */
export async function resultTables(
  db: Database,
  scan: Scan,
): Promise<{ readonly name: ResultTable; readonly rowCount: number; readonly columns: string[] }[]> {
  const organization = await organizationOf(db, scan.organizationId);
  return Promise.all(
    RESULT_TABLES.map(async (name) => ({
      name,
      rowCount: await countRows(db, organization, scan, SOURCES[name]),
      columns: [...SOURCES[name].columns],
    })),
  );
}

/**
 * Exactly the rows that a scan saw, in an order that does not change.
 * @throws {UnknownTable} for any name but those of `RESULT_TABLES`
 * @throws {InvalidCursor}
 * @throws {UnknownOrganization}
 */
export async function resultRows(
  db: Database,
  scan: Scan,
  tableName: string,
  { limit, offset = 0, cursor }: PageRequest,
): Promise<ResultPage> {
  const table = RESULT_TABLES.find((name) => name === tableName);
  if (!table) throw new UnknownTable(RESULT_TABLES);
  const after = cursor === undefined ? 0 : decodeCursor(table, cursor);
  const organization = await organizationOf(db, scan.organizationId);
  const source = SOURCES[table];
  // The keys of one page first, and the numbers in the text: a plan for just any limit would read whole tables.
  const found = await query<ResultRow & { ' key': number }>(db, {
    text: `SELECT seen.key AS " key", ${source.columns.map((column) => `t.${column}`).join(', ')}
      FROM (
        SELECT key FROM (${source.seen(organization, scan.scanNo)}) keys WHERE key > ${after}
        ORDER BY key LIMIT ${Math.trunc(limit) + 1} OFFSET ${cursor === undefined ? Math.trunc(offset) : 0}
      ) seen JOIN ${source.row(organization)} ORDER BY seen.key`,
  });
  const total = await countRows(db, organization, scan, source);
  const hasMore = found.length > limit;
  const rows = found.slice(0, limit);
  const last = rows.at(-1)?.[' key'];
  return {
    records: rows.map(({ ' key': _, ...record }) => record),
    pagination: {
      limit,
      offset: cursor === undefined ? offset : null,
      total,
      hasMore,
      nextCursor: hasMore && last !== undefined ? encodeCursor(table, last) : null,
    },
  };
}

async function countRows(
  db: Database,
  organization: Organization,
  { scanNo }: Scan,
  { count, seen }: TableSource,
): Promise<number> {
  const text = count?.(scanNo) ?? `SELECT count(*) AS total FROM (${seen(organization, scanNo)}) seen`;
  const [row] = await query<{ total: number | null }>(db, { text });
  return row?.total ?? 0;
}

const encodeCursor = (table: ResultTable, key: number): string => Buffer.from(`${table}:${key}`).toString('base64url');

function decodeCursor(table: ResultTable, cursor: string): number {
  const [, name, key] = /^([a-z_]+):(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (name !== table || key === undefined || encodeCursor(table, Number(key)) !== cursor) throw new InvalidCursor();
  return Number(key);
}
