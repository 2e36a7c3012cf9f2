import type { ApiClient } from './api-client.ts';
import type { Cli } from './cli.ts';
import type { DeadLetterListOptions } from './commands/dead-letters.ts';
import type { DeadLetterCause, DeadLetterEntry } from './delivery-client.ts';
import { count } from './text/numbers.ts';
import { safeJson, safeLine } from './text/safe-text.ts';
import { renderTable } from './text/table.ts';

/** Dead letters asked for at a time. */
const PAGE = 500;
const TABLE_ROWS = 50;
const LABEL_WIDTH = 12;
const right = { align: 'right' as const };

const COLUMNS = [
  { title: 'DELIVERY', ...right },
  { title: 'SINCE' },
  { title: 'DESTINATION' },
  { title: 'CAUSE' },
  { title: 'TRIED', ...right },
  { title: 'WHAT IT SAYS' },
  { title: 'MESSAGE' },
];

/** Prints dead letters, or what was answered with an error, as a table or JSON lines. */
export async function printDeadLetters(
  { out, notes }: Cli,
  api: ApiClient,
  filter: { readonly destination?: string | undefined; readonly cause?: string | undefined },
  { answered, json = false, limit = json ? Number.POSITIVE_INFINITY : TABLE_ROWS }: DeadLetterListOptions,
): Promise<void> {
  const shown: DeadLetterEntry[] = [];
  let cursor: string | undefined;
  let left = limit;
  do {
    const asked = {
      ...filter,
      answered: answered ? ('true' as const) : undefined,
      limit: Math.min(PAGE, left),
      cursor,
    };
    const page = await api.deadLetters(asked);
    left -= page.letters.length;
    cursor = page.pagination.nextCursor ?? undefined;
    if (json) await out.write(page.letters.map((letter) => `${safeJson(letter)}\n`).join(''));
    else shown.push(...page.letters);
  } while (cursor !== undefined && left > 0 && !out.isClosed);
  if (json) return;
  if (shown.length === 0) {
    notes.line(answered ? 'Nothing was answered with an error.' : 'There is no dead letter.');
    return;
  }
  out.line(renderTable(COLUMNS, shown.map(rowOf), out));
  if (cursor !== undefined) notes.line('There are more; --limit shows more, --json prints all.');
}

const rowOf = (letter: DeadLetterEntry): string[] => [
  String(letter.deliveryNo),
  letter.endedAt.slice(0, 16),
  letter.destinationName,
  letter.cause ?? '',
  String(letter.attempts),
  letter.answer ?? letter.error ?? '',
  letter.messageId,
];

/** Prints everything that is known of a dead letter. */
export function printDeadLetter({ out }: Cli, letter: DeadLetterEntry, json: boolean): void {
  if (json) return out.line(safeJson(letter));
  const lines: [string, string | number | null][] = [
    ['delivery', letter.deliveryNo],
    ['destination', `${letter.destinationName} (${letter.destinationId})`],
    ['mailbox', letter.mailboxId],
    ['message', letter.messageId],
    ['attachment', letter.attachmentId],
    ['cause', letter.cause],
    ['error', letter.error],
    ['HTTP status', letter.httpStatus],
    ['answer', letter.answer],
    ['attempts', letter.attempts],
    ['replays', letter.replays],
    ['owed since', letter.owedAt],
    ['ended', letter.endedAt],
  ];
  for (const [label, value] of lines) {
    if (value !== null) out.line(`${out.paint('dim', label.padEnd(LABEL_WIDTH))} ${safeLine(String(value))}`);
  }
}

/** Prints how many dead letters there are, by destination and cause. */
export function printCauses({ out, notes }: Cli, causes: readonly DeadLetterCause[], json: boolean): void {
  if (json) return out.line(safeJson(causes));
  if (causes.length === 0) return notes.line('There is no dead letter.');
  const columns = [{ title: 'LETTERS', ...right }, { title: 'DESTINATION' }, { title: 'CAUSE' }];
  const rows = causes.map(({ letters, destinationName, cause }) => [count(letters), destinationName, cause ?? '']);
  out.line(renderTable(columns, rows, out));
}
