import { describe, expect, it } from 'vitest';
import { PAGE_BYTES, fittingSize, nextPageSize } from '../../model/page-size.ts';

describe('the page size', () => {
  it('falls to what fits when messages are large', () => {
    expect(nextPageSize({ size: 500, messages: 500, bytes: 500 * 50_000 }, 500)).toBe(Math.floor(PAGE_BYTES / 50_000));
  });

  it('climbs back by at most twofold, and no further than asked for', () => {
    expect(nextPageSize({ size: 10, messages: 10, bytes: 15_000 }, 500)).toBe(20);
    expect(nextPageSize({ size: 400, messages: 400, bytes: 600_000 }, 500)).toBe(500);
  });

  it('is never less than one, and stays where a page was empty', () => {
    expect(fittingSize(PAGE_BYTES * 3)).toBe(1);
    expect(nextPageSize({ size: 80, messages: 0, bytes: 200 }, 500)).toBe(80);
  });
});
