import stringWidth from 'string-width';
import type { Output } from '../output.ts';
import { safeLine } from './safe-text.ts';
import { truncate } from './width.ts';

export interface Column {
  readonly title: string;
  /** Default: left. */
  readonly align?: 'left' | 'right';
}

export type Cell = string | number | boolean | null | undefined;

const GAP = '  ';
/** A column is not made narrower than this where the table must be cut. */
const NARROWEST = 6;
/** A cell is cut here even where the reader is a program. */
const WIDEST = 200;

/**
 * Rows under their titles, cut to the terminal's width, at whose cost the widest columns come first. Every cell is made
 * safe: a subject cannot send commands to the terminal.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  out: Pick<Output, 'width' | 'paint'>,
): string {
  const cells = rows.map((row) => row.map((cell) => safeLine(cell == null ? '' : String(cell))));
  const natural = columns.map(({ title }, at) =>
    cells.reduce((width, row) => Math.max(width, stringWidth(row[at] ?? '')), stringWidth(title)),
  );
  const widths = fit(natural, out.width);
  const line = (row: readonly string[]): string =>
    columns
      .map(({ align }, at) => pad(row[at] ?? '', widths[at] ?? 0, align))
      .join(GAP)
      .trimEnd();
  const head = line(columns.map(({ title }) => title));
  return [out.paint('bold', head), ...cells.map(line)].join('\n');
}

/** Takes from the widest columns until the row fits. */
export function fit(widths: readonly number[], available: number): number[] {
  const fitted = widths.map((width) => Math.min(width, WIDEST));
  const room = available - GAP.length * (fitted.length - 1);
  for (let excess = sum(fitted) - room; excess > 0; excess--) {
    const widest = Math.max(...fitted);
    if (widest <= NARROWEST) break;
    fitted[fitted.indexOf(widest)] = widest - 1;
  }
  return fitted;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function pad(text: string, width: number, align: Column['align']): string {
  const cut = truncate(text, width);
  const blanks = ' '.repeat(Math.max(0, width - stringWidth(cut)));
  return align === 'right' ? blanks + cut : cut + blanks;
}
