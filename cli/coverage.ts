import { coverageCsv } from '../api/coverage-csv.ts';
import type { ApiClient, CoverageAnswer } from './api-client.ts';
import type { Cli } from './cli.ts';
import { contentsInWords } from './contents.ts';
import type { CoverageOptions } from './commands/coverage.ts';
import { EXIT } from './exit-codes.ts';
import { differencesInWords } from './differences.ts';
import { count, counted } from './text/numbers.ts';
import { safeJson, safeText } from './text/safe-text.ts';
import { renderTable, type Cell } from './text/table.ts';

type Mailbox = CoverageAnswer['mailboxes'][number];
type Folder = Mailbox['folders'][number];
type Totals = CoverageAnswer['totals'];

/** Mailboxes asked for at a time. */
const PAGE = 200;
const FIGURES = ['graph', 'stored', 'quarantined', 'leftOut', 'unexplained'] as const;
const TITLES = ['GRAPH', 'STORED', 'QUARANTINED', 'LEFT OUT', 'UNEXPLAINED'].map((title) => ({
  title,
  align: 'right' as const,
}));

/** Prints a scan's coverage; the exit code says whether any message is unexplained. */
export async function printCoverage(cli: Cli, api: ApiClient, scanId: string, options: CoverageOptions): Promise<void> {
  const { out } = cli;
  let totals: Totals | undefined;
  async function* pages(): AsyncGenerator<CoverageAnswer> {
    for (let cursor: string | undefined; !out.isClosed;) {
      const page = await api.coverage(scanId, { limit: PAGE, cursor, incomplete: options.incomplete });
      totals ??= page.totals;
      yield page;
      if (page.pagination.nextCursor === null) return;
      cursor = page.pagination.nextCursor;
    }
  }
  if (options.csv) {
    const csv = coverageCsv(withCursor(pages()));
    for await (const text of csv) await out.write(out.isLive ? safeText(text) : text);
  } else if (options.json) {
    for await (const { mailboxes } of pages()) {
      await out.write(mailboxes.map((mailbox) => `${safeJson(mailbox)}\n`).join(''));
    }
  } else {
    await printTable(cli, pages(), options);
    for (const line of totals ? coverageInWords(totals) : []) out.line(line);
  }
  if (totals && totals.unexplained > 0) cli.exitCode = EXIT.failure;
}

async function* withCursor(
  pages: AsyncIterable<CoverageAnswer>,
): AsyncGenerator<{ mailboxes: readonly Mailbox[]; nextCursor: null }> {
  for await (const { mailboxes } of pages) yield { mailboxes, nextCursor: null };
}

async function printTable(
  { out }: Cli,
  pages: AsyncIterable<CoverageAnswer>,
  { folders }: CoverageOptions,
): Promise<void> {
  const lead = ['MAILBOX', ...(folders ? ['FOLDER'] : []), 'STATE'].map((title) => ({ title }));
  const rows: Cell[][] = [];
  for await (const { mailboxes } of pages) {
    rows.push(...mailboxes.flatMap((mailbox) => (folders ? folderRows(mailbox) : [mailboxRow(mailbox)])));
  }
  out.line(renderTable([...lead, ...TITLES], rows, out));
}

const nameOf = ({ address, mailboxId }: Mailbox): string => address ?? mailboxId;
const stateOf = ({ state, reason }: Mailbox): string => (reason === null ? state : `${state} (${reason})`);

function mailboxRow(mailbox: Mailbox): Cell[] {
  const sum = (name: (typeof FIGURES)[number]): string => {
    const known = mailbox.folders.flatMap((folder) => folder[name] ?? []);
    return known.length > 0 ? count(known.reduce((a, b) => a + b, 0)) : '';
  };
  return [nameOf(mailbox), stateOf(mailbox), ...FIGURES.map(sum)];
}

function folderRows(mailbox: Mailbox): Cell[][] {
  if (mailbox.folders.length === 0) return [[nameOf(mailbox), '', stateOf(mailbox), ...FIGURES.map(() => '')]];
  return mailbox.folders.map((folder) => [
    nameOf(mailbox),
    folder.path,
    folder.errorCode === null ? folder.state : `${folder.state} (${folder.errorCode})`,
    ...FIGURES.map((name) => figure(folder, name)),
  ]);
}

function figure(folder: Folder, name: (typeof FIGURES)[number]): string {
  const value = folder[name];
  return value === null ? '' : count(value);
}

/** The sums of a scan's coverage, a sentence a line. */
export function coverageInWords(totals: Totals): string[] {
  const { graph, stored, quarantined, leftOut, unexplained, foldersNotRead } = totals;
  const parts = [
    `${count(stored)} stored`,
    ...(quarantined > 0 ? [`${count(quarantined)} in quarantine`] : []),
    ...(leftOut > 0 ? [`${count(leftOut)} left out`] : []),
    `${count(unexplained)} unexplained`,
  ];
  const differences = differencesInWords(totals);
  const contents = contentsInWords(totals);
  const notRead = totals.notRead.map(({ state, reason, mailboxes }) => `${count(mailboxes)} ${reason ?? state}`);
  return [
    `Graph holds ${counted(graph, 'message')} in the folders that were read: ${parts.join(', ')}.`,
    ...(contents === '' ? [] : [`Beside these: ${contents}.`]),
    ...(differences === '' ? [] : [`Since it was read before: ${differences}.`]),
    `${count(totals.mailboxesRead)} of ${counted(totals.mailboxes, 'mailbox', 'mailboxes')} read` +
      (notRead.length > 0 ? `; not read: ${notRead.join(', ')}.` : '.'),
    ...(foldersNotRead > 0 ? [`${counted(foldersNotRead, 'folder')} not read to the end.`] : []),
  ];
}
