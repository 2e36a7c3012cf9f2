import type { ApiClient, QuarantineEntry, QuarantineFilter } from './api-client.ts';
import type { Cli } from './cli.ts';
import type { QuarantineListOptions } from './commands/quarantine.ts';
import { safeJson } from './text/safe-text.ts';
import { renderTable } from './text/table.ts';

/** Messages asked for at a time. */
const PAGE = 500;
const TABLE_ROWS = 50;

/** Prints the quarantine, or what has left it, as a table or JSON lines. */
export async function printQuarantine(
  cli: Cli,
  api: ApiClient,
  filter: QuarantineFilter,
  { resolved = false, json = false, limit = json ? Number.POSITIVE_INFINITY : TABLE_ROWS }: QuarantineListOptions,
): Promise<void> {
  const { out, notes } = cli;
  const shown: QuarantineEntry[] = [];
  let cursor: string | undefined;
  let left = limit;
  do {
    const page = await api.quarantine({
      ...filter,
      state: resolved ? 'resolved' : 'open',
      limit: Math.min(PAGE, left),
      cursor,
    });
    left -= page.messages.length;
    cursor = page.pagination.nextCursor ?? undefined;
    if (json) await out.write(page.messages.map((entry) => `${safeJson(entry)}\n`).join(''));
    else shown.push(...page.messages);
  } while (cursor !== undefined && left > 0 && !out.isClosed);
  if (json) return;
  if (shown.length === 0) {
    notes.line(resolved ? 'Nothing has left the quarantine.' : 'Nothing is in quarantine.');
    return;
  }
  out.line(renderTable([...COLUMNS, { title: resolved ? 'LEFT' : 'STORED' }, MESSAGE], shown.map(rowOf), out));
  if (cursor !== undefined) notes.line('There are more; --limit shows more, --json prints all.');
}

const COLUMNS = [
  { title: 'SINCE' },
  { title: 'CAUSE' },
  { title: 'TRIED', align: 'right' as const },
  { title: 'REQUEST ID' },
  { title: 'MAILBOX' },
];
const MESSAGE = { title: 'MESSAGE' };

const rowOf = (entry: QuarantineEntry): string[] => [
  entry.firstAt.slice(0, 16),
  entry.httpStatus === null ? entry.cause : `${entry.httpStatus} ${entry.cause}`,
  String(entry.attempts),
  entry.requestId ?? '',
  entry.mailboxId,
  entry.resolution ?? storedIn(entry),
  entry.messageId,
];

function storedIn({ stored, unreadable }: QuarantineEntry): string {
  return stored ? `without ${unreadable.join(', ')}` : 'nothing';
}
