import { describe, expect, it } from 'vitest';
import {
  FolderPageSize,
  MailboxPageLimit,
  PAGE_BYTES,
  fittingSize,
  nextPageSize,
  type PageFault,
} from '../../model/page-size.ts';

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

describe("a mailbox's page limit", () => {
  it('falls to half of what was too much, at once', () => {
    const limit = new MailboxPageLimit(1000, null);
    limit.fall(1000);
    expect(limit.messages).toBe(500);
    limit.fall(120);
    expect(limit.messages).toBe(60);
    limit.fall(1);
    expect(limit.messages).toBe(1);
  });

  it('climbs back after pages that were as large as it allows, and no others count', () => {
    const limit = new MailboxPageLimit(1000, 100);
    for (let page = 0; page < 20; page++) limit.came(99);
    expect(limit.messages).toBe(100);
    for (let page = 0; page < 2; page++) limit.came(100);
    expect(limit.messages).toBe(150);
    for (let page = 0; page < 100; page++) limit.came(limit.messages);
    expect(limit.messages).toBe(1000);
  });

  it('does not soon come back to what has failed, and does so in the end', () => {
    const limit = new MailboxPageLimit(1000, null);
    limit.fall(1000);
    const pages = (count: number): number => {
      for (let page = 0; page < count; page++) limit.came(limit.messages);
      return limit.messages;
    };
    expect(pages(2)).toBe(750);
    expect(pages(60)).toBe(750);
    expect(pages(4)).toBe(1000);
  });

  it('climbs from one', () => {
    const limit = new MailboxPageLimit(10, 1);
    for (let page = 0; page < 40; page++) limit.came(limit.messages);
    expect(limit.messages).toBe(10);
  });

  it('is remembered only where it is lower than what is asked for', () => {
    expect(new MailboxPageLimit(1000, 64).toRemember).toBe(64);
    expect(new MailboxPageLimit(50, 64).toRemember).toBeNull();
    expect(new MailboxPageLimit(1000, null).toRemember).toBeNull();
  });
});

/** Reads `total` messages with pages that fail where `fails` says so; answers the sizes asked for and what stood alone. */
function walk(total: number, size: FolderPageSize, fails: (from: number, to: number) => PageFault | undefined) {
  const asked: number[] = [];
  for (let at = 0; at < total;) {
    const to = Math.min(total, at + size.messages);
    asked.push(size.messages);
    const fault = fails(at, to);
    if (fault === undefined) {
      size.came({ messages: to - at, bytes: (to - at) * 100 });
      at = to;
    } else if (!size.failed(fault)) return { asked, alone: at };
  }
  return { asked, alone: undefined };
}
const poisonAt =
  (bad: number) =>
  (from: number, to: number): PageFault | undefined =>
    from <= bad && bad < to ? 'item' : undefined;

describe("a folder's page size", () => {
  it.each([0, 1, 499, 500, 700, 998, 999, 1742])(
    'comes down to the message that cannot be read, in few requests: %i',
    (bad) => {
      const limit = new MailboxPageLimit(1000, null);
      const { asked, alone } = walk(2000, new FolderPageSize(limit, 1000), poisonAt(bad));
      expect(alone).toBe(bad);
      expect(asked.length).toBeLessThan(24);
      expect(limit.messages).toBe(1000);
    },
  );

  it('comes to what Graph can answer and stays near it, where large pages are too slow', () => {
    const limit = new MailboxPageLimit(1000, null);
    const { asked } = walk(20_000, new FolderPageSize(limit, 1000), (from, to) =>
      to - from > 90 ? 'slow' : undefined,
    );
    expect(Math.max(...asked.slice(4))).toBeLessThan(140);
    const failed = asked.filter((messages) => messages > 90).length;
    expect(failed).toBeLessThan(asked.length / 20);
    expect(limit.toRemember).toBeLessThanOrEqual(93);
  });

  it('is shared by the folders of a mailbox as far as Graph is too slow', () => {
    const limit = new MailboxPageLimit(1000, null);
    new FolderPageSize(limit, 1000).failed('slow');
    expect(new FolderPageSize(limit, 1000).messages).toBe(500);
  });

  it("leaves the mailbox's limit alone where one message was to blame, also for being slow", () => {
    const limit = new MailboxPageLimit(64, null);
    const size = new FolderPageSize(limit, 64);
    while (size.failed('slow'));
    expect(size.messages).toBe(1);
    expect(limit.messages).toBe(64);
  });

  it('falls to a quarter, without a word to the mailbox, where a page was too large for us', () => {
    const limit = new MailboxPageLimit(100, null);
    const size = new FolderPageSize(limit, 100);
    size.failed('large');
    expect([size.messages, limit.messages]).toEqual([25, 100]);
  });

  it('is free again when the suspects have come after all', () => {
    const limit = new MailboxPageLimit(1000, null);
    const size = new FolderPageSize(limit, 1000);
    let once = true;
    const { asked, alone } = walk(5000, size, () => {
      const fault = once ? ('item' as const) : undefined;
      once = false;
      return fault;
    });
    expect(alone).toBeUndefined();
    expect(asked.at(-1)).toBe(1000);
  });
});
