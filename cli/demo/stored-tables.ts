import type { TruthMailbox } from '../../simulator/index.ts';
import type { ResultTable } from '../api-client.ts';
import type { Output } from '../output.ts';
import { count } from '../text/numbers.ts';
import { renderTable } from '../text/table.ts';
import type { Comparison } from './comparison.ts';

/** Mailboxes shown by name; of more, those with the most messages. */
const SHOWN = 10;

export interface Stored {
  readonly mailboxes: readonly TruthMailbox[];
  readonly tables: readonly ResultTable[];
  readonly comparison: Pick<Comparison, 'storedByMailbox'>;
}

/** What was stored: rows of each table, and the biggest mailboxes. */
export function storedTables(
  { mailboxes, tables, comparison }: Stored,
  out: Pick<Output, 'width' | 'paint'>,
): string[] {
  const readable = mailboxes.filter(({ readable }) => readable).sort((a, b) => b.messages - a.messages);
  const shown = readable.slice(0, SHOWN);
  const tableRows = tables.map(({ name, rowCount }) => [name, count(rowCount)]);
  const mailboxRows = shown.map((mailbox) => [
    mailbox.userPrincipalName,
    mailbox.kind,
    count(
      mailbox.folders.filter(({ inTree, isHidden, isSearchFolder }) => inTree && !isHidden && !isSearchFolder).length,
    ),
    count(mailbox.messages),
    count(comparison.storedByMailbox.get(mailbox.id) ?? 0),
  ]);
  const right = (title: string) => ({ title, align: 'right' as const });
  const mailboxColumns = [
    { title: 'MAILBOX' },
    { title: 'KIND' },
    right('FOLDERS'),
    right('MESSAGES'),
    right('STORED'),
  ];
  const others = readable.length - shown.length;
  return [
    '',
    renderTable([{ title: 'TABLE' }, right('ROWS')], tableRows, out),
    '',
    renderTable(mailboxColumns, mailboxRows, out),
    ...(others > 0 ? [`and ${count(others)} more`] : []),
    '',
  ];
}
