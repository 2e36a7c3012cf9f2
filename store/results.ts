import { EMAIL_COLUMNS } from './email-columns.ts';
import { query, type Database } from './database.ts';
import { InvalidCursor, UnknownTable } from './errors.ts';
import { organizationOf, type Organization } from './organizations.ts';
import type { Scan } from './scans.ts';

/** The tables that a scan fills, as clients name them. */
export const RESULT_TABLES = ['mailboxes', 'mail_folders', 'emails'] as const;
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
  /** The rows `t` that scan `$1` saw, among others' rows of the same tables. */
  readonly from: (organization: Organization) => string;
  /** Numbers those rows, always alike. */
  readonly key: string;
  /** How many there are. */
  readonly count: (organization: Organization) => string;
}

const EXTRACTED = [
  '_extracted_at',
  '_scan_id',
  '_tenant_id',
  '_user_email',
  '_user_id',
  '_user_display_name',
  '_folder',
  '_extraction_type',
  '_deleted_at',
];

const SCANNED_FOLDERS = ({ schema }: Organization): string => `outhaul.scan_folders s
  JOIN ${schema}.mailboxes m ON m.id = s.mailbox_id
  JOIN ${schema}.mail_folders t ON t.mailbox_no = m.mailbox_no AND t.id = s.folder_id`;

const SOURCES: Readonly<Record<ResultTable, TableSource>> = {
  mailboxes: {
    columns: ['id', 'mail', 'display_name', 'user_principal_name', 'account_enabled', 'user_type', ...EXTRACTED],
    from: ({ schema }) => `outhaul.scan_mailboxes s JOIN ${schema}.mailboxes t ON t.id = s.mailbox_id`,
    key: 's.position',
    count: () => 'SELECT count(*) AS total FROM outhaul.scan_mailboxes WHERE scan_no = $1',
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
    from: SCANNED_FOLDERS,
    key: 't.folder_no',
    count: (organization) => `SELECT count(*) AS total FROM ${SCANNED_FOLDERS(organization)} WHERE s.scan_no = $1`,
  },
  emails: {
    columns: [...EMAIL_COLUMNS, ...EXTRACTED],
    from: ({ schema }) => `outhaul.scan_messages s JOIN ${schema}.emails t ON t._no = s.email_no`,
    key: 's.email_no',
    // The counters are kept in the transactions that store the messages: counting the rows would tell the same.
    count: () => 'SELECT coalesce(sum(records), 0) AS total FROM outhaul.scan_mailboxes WHERE scan_no = $1',
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
  const { columns, from, key, count } = SOURCES[table];
  const found = await query<ResultRow & { ' key': number }>(db, {
    text: `SELECT ${key} AS " key", ${columns.map((column) => `t.${column}`).join(', ')} FROM ${from(organization)}
      WHERE s.scan_no = $1 AND ${key} > $2 ORDER BY ${key} LIMIT $3 OFFSET $4`,
    values: [scan.scanNo, after, limit + 1, cursor === undefined ? offset : 0],
  });
  const total = await countRows(db, organization, scan, { count });
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
  { count }: Pick<TableSource, 'count'>,
): Promise<number> {
  const [row] = await query<{ total: number }>(db, { text: count(organization), values: [scanNo] });
  return row?.total ?? 0;
}

const encodeCursor = (table: ResultTable, key: number): string => Buffer.from(`${table}:${key}`).toString('base64url');

function decodeCursor(table: ResultTable, cursor: string): number {
  const [, name, key] = /^([a-z_]+):(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (name !== table || key === undefined || encodeCursor(table, Number(key)) !== cursor) throw new InvalidCursor();
  return Number(key);
}
