import type { AttachmentKind } from './attachment.ts';
import { InvalidFilter, filterItems } from './filter-list.ts';
import type { Verdict } from './file-types.ts';

/**
 * `MAX_ATTACHMENT_SIZE`: bytes, as a whole number above 0; undefined where the text is empty: any size.
 * @throws {InvalidFilter}
 */
export function parseMaxAttachmentSize(text: string): number | undefined {
  const items = filterItems(text);
  const [item] = items;
  if (item === undefined) return undefined;
  const size = /^\d+$/.test(item) ? Number(item) : 0;
  if (items.length === 1 && size > 0 && Number.isSafeInteger(size)) return size;
  throw new InvalidFilter(`"${text.trim()}" must be a number of bytes, as in 52428800 for 50 MB`);
}

/** What Graph says is more than the bytes; should it be their size in base64, with line ends, it is this much more. */
const MOST_ABOVE = 1.4;
const MOST_BESIDE = 64 * 1024;
/** What Graph may count for an empty file: its names, and the picture by which a mail shows it. */
const MOST_OF_EMPTY = 8 * 1024;

/**
 * Whether an attachment is at most so large. Before it is stored there is only `size`, Graph's hint: where that is a bit
 * above the limit, or unknown, only the bytes can tell (`look`).
 */
export function sizeVerdict(
  { size, byteSize }: { readonly size: number | null; readonly byteSize: number | null },
  maxSize: number | undefined,
): Verdict {
  if (maxSize === undefined) return 'wanted';
  if (byteSize !== null) return byteSize <= maxSize ? 'wanted' : 'unwanted';
  if (size === null) return 'look';
  if (size <= maxSize) return 'wanted';
  return size > maxSize * MOST_ABOVE + MOST_BESIDE ? 'unwanted' : 'look';
}

/**
 * How many bytes an attachment has at the least, if `size` is what Graph says of it: with fewer it was cut on its way. Of
 * an item Graph counts how it is stored, which says nothing of the text that is made of it; but that is never empty.
 */
export function leastBytes({ kind, size }: { readonly kind: AttachmentKind; readonly size: number | null }): number {
  if (kind === 'item') return 1;
  if (kind === 'reference' || size === null || size <= MOST_OF_EMPTY) return 0;
  return Math.max(1, Math.ceil((size - MOST_BESIDE) / MOST_ABOVE));
}
