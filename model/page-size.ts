/** Bytes that a page should come to: large enough to be few, small enough to hold several in memory. */
export const PAGE_BYTES = 4 << 20;

/** What the latest page was like. */
export interface PageFigures {
  /** Messages asked for. */
  readonly size: number;
  /** Messages that came. */
  readonly messages: number;
  readonly bytes: number;
}

/**
 * How many messages to ask for next, so that a page comes to about `PAGE_BYTES`: at most `largest`, and at most twice
 * as many as before, for the next messages may be larger ones.
 */
export function nextPageSize({ size, messages, bytes }: PageFigures, largest: number): number {
  if (messages === 0 || bytes === 0) return size;
  return Math.min(largest, size * 2, fittingSize(bytes / messages));
}

/** Messages of `bytesEach` that make up a page. */
export const fittingSize = (bytesEach: number): number => Math.max(1, Math.floor(PAGE_BYTES / bytesEach));
