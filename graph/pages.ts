import type { GraphAnswer } from './call.ts';
import { exchangeError } from './errors.ts';

/** A collection as Graph answers it, one page. */
export interface Collection {
  readonly value: Record<string, unknown>[];
  readonly next: string | undefined;
  readonly deltaLink: string | undefined;
  readonly count: number | undefined;
}

/**
 * Reads a page of a collection. The end of a walk is the absence of a next link, never a short or an empty page.
 * @throws GraphError `Truncated` (retryable) where the content is no collection
 */
export function collectionOf({ content, status }: Pick<GraphAnswer, 'content' | 'status'>): Collection {
  const page = typeof content === 'object' && content !== null ? (content as Record<string, unknown>) : {};
  const { value } = page;
  if (!Array.isArray(value) || value.some((entry) => typeof entry !== 'object' || entry === null)) {
    throw exchangeError('Truncated', 'The answer is no collection', { status });
  }
  return {
    value: value as Record<string, unknown>[],
    next: text(page['@odata.nextLink']) ?? undefined,
    deltaLink: text(page['@odata.deltaLink']) ?? undefined,
    count: number(page['@odata.count']),
  };
}

/** A string with something in it, or null. */
export function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

export function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
