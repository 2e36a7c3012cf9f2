import { stringify } from 'csv-stringify/sync';
import type { ApiClient } from './api-client.ts';
import type { Cli } from './cli.ts';
import type { ResultsOptions } from './commands/results.ts';
import { UsageError } from './errors.ts';
import { count } from './text/numbers.ts';
import { safeJson, safeText } from './text/safe-text.ts';
import { renderTable, type Cell } from './text/table.ts';

type Row = Readonly<Record<string, unknown>>;

/** Rows asked for at a time. */
const PAGE = 500;
const TABLE_ROWS = 50;

/** What a table on the screen shows of each table where nobody chose. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  emails: ['received_date_time', '_user_email', '_folder', 'from_address', 'subject'],
  mailboxes: ['mail', 'display_name', 'user_principal_name', 'account_enabled', 'id'],
  mail_folders: ['_user_email', 'path', 'total_item_count', 'is_hidden'],
  attachments: ['_user_email', 'name', 'content_type', 'byte_size', 'state', 'reason'],
  originals: ['_user_email', '_folder', 'byte_size', 'state', 'reason', 'sha256'],
};

export async function printTables({ out }: Cli, api: ApiClient, scanId: string): Promise<void> {
  const tables = await api.tables(scanId);
  const columns = [{ title: 'TABLE' }, { title: 'ROWS', align: 'right' as const }, { title: 'COLUMNS' }];
  const rows = tables.map(({ name, rowCount, columns: names }) => [name, count(rowCount), names.join(', ')]);
  out.line(renderTable(columns, rows, out));
}

/** Prints a scan's rows as a table, JSON lines or CSV. Memory holds a page of them, whatever their number. */
export async function printResults(cli: Cli, api: ApiClient, scanId: string, options: ResultsOptions): Promise<void> {
  const { json, csv, limit = json || csv ? Number.POSITIVE_INFINITY : TABLE_ROWS } = options;
  const table = (await api.tables(scanId)).find(({ name }) => name === options.table);
  if (!table) throw new UsageError(`There is no table ${options.table}`, '`--tables` lists them.');
  const columns = chooseColumns(options, table.columns);
  const rows = readRows(api, scanId, table.name, limit);
  if (json) return printJson(cli, rows, columns);
  if (csv) return printCsv(cli, rows, columns, options.escapeFormulas);
  await printTable(cli, rows, columns);
  if (table.rowCount > limit) {
    cli.notes.line(`${count(limit)} of ${count(table.rowCount)} rows; --limit shows more, --csv and --json print all.`);
  }
}

function chooseColumns({ columns, table, json, csv }: ResultsOptions, all: readonly string[]): readonly string[] {
  const unknown = columns?.filter((name) => !all.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new UsageError(`${table} has no column ${unknown.join(', ')}`, `It has ${all.join(', ')}.`);
  }
  const shown = json || csv ? all : SHOWN[table]?.filter((name) => all.includes(name));
  return columns ?? shown ?? all;
}

async function* readRows(api: ApiClient, scanId: string, tableName: string, limit: number): AsyncGenerator<Row[]> {
  let cursor: string | undefined;
  for (let left = limit; left > 0;) {
    const page = await api.rows(scanId, { tableName, limit: Math.min(PAGE, left), cursor });
    left -= page.records.length;
    yield page.records;
    cursor = page.pagination.nextCursor ?? undefined;
    if (cursor === undefined) return;
  }
}

async function printJson({ out }: Cli, pages: AsyncIterable<Row[]>, columns: readonly string[]): Promise<void> {
  for await (const rows of pages) {
    const chosen = rows.map((row) => Object.fromEntries(columns.map((name) => [name, row[name]])));
    await out.write(chosen.map((row) => `${safeJson(row)}\n`).join(''));
    if (out.isClosed) return;
  }
}

async function printCsv(
  { out }: Cli,
  pages: AsyncIterable<Row[]>,
  columns: readonly string[],
  escapeFormulas: boolean,
): Promise<void> {
  const toCsv = (rows: unknown[][]): string => {
    const text = stringify(rows, { record_delimiter: '\r\n', escape_formulas: escapeFormulas });
    return out.isLive ? safeText(text) : text;
  };
  await out.write(toCsv([[...columns]]));
  for await (const rows of pages) {
    await out.write(toCsv(rows.map((row) => columns.map((name) => asText(row[name])))));
    if (out.isClosed) return;
  }
}

async function printTable({ out }: Cli, pages: AsyncIterable<Row[]>, columns: readonly string[]): Promise<void> {
  const cells: Cell[][] = [];
  for await (const rows of pages) cells.push(...rows.map((row) => columns.map((name) => asText(row[name]))));
  out.line(
    renderTable(
      columns.map((title) => ({ title })),
      cells,
      out,
    ),
  );
}

function asText(value: unknown): string {
  if (value == null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
