import { describe, expect, it } from 'vitest';
import { Allowance } from '../../../api/notifications/allowance.ts';
import { KnownSubscriptions } from '../../../api/notifications/known-subscriptions.ts';
import { RecentVersions } from '../../../api/notifications/recent-versions.ts';
import type { KnownSubscription } from '../../../store/subscription-lookup.ts';

const subscription: KnownSubscription = {
  sessionNo: 1,
  organizationId: 'org',
  mailboxId: 'mailbox',
  clientStateHash: Buffer.alloc(32),
};

/** Subscriptions over a store that knows these ids, and counts what it is asked. */
function stage(known: readonly string[]) {
  const ids = new Set(known);
  const asked: string[][] = [];
  let now = 0;
  const foreign = new Allowance(10, () => now);
  const subscriptions = new KnownSubscriptions({
    secondLookMs: 0,
    now: () => now,
    foreign,
    find: async (wanted) => {
      asked.push([...wanted]);
      return new Map(wanted.filter((id) => ids.has(id)).map((id) => [id, subscription]));
    },
  });
  return {
    ids,
    asked,
    find: async (...wanted: string[]) => [...(await subscriptions.of(wanted)).keys()],
    forget: (id: string) => subscriptions.forget(id),
    pass: (ms: number) => void (now += ms),
  };
}

describe('subscriptions', () => {
  it('are asked for many at a time, and not again for a while', async () => {
    const { find, asked, pass } = stage(['a', 'b', 'c']);
    expect((await Promise.all([find('a', 'b', 'a'), find('b', 'c')])).flat()).toEqual(['a', 'b', 'b', 'c']);
    await find('a', 'c');
    expect(asked).toEqual([['a', 'b', 'c']]);
    pass(10_001);
    await find('a');
    expect(asked).toHaveLength(2);
  });

  it('that nobody knows are looked for twice, and are nobody’s for a while', async () => {
    const { find, asked, pass, ids } = stage([]);
    expect(await find('x')).toEqual([]);
    expect(asked).toEqual([['x'], ['x']]);
    ids.add('x');
    expect(await find('x')).toEqual([]);
    pass(2_001);
    expect(await find('x')).toEqual(['x']);
  });

  it('that become known between two looks are found', async () => {
    const { find, asked, ids } = stage([]);
    const found = find('x');
    while (asked.length === 0) await Promise.resolve();
    ids.add('x');
    expect(await found).toEqual(['x']);
  });

  it('that are forgotten are asked for anew', async () => {
    const { find, ids, forget } = stage(['a']);
    await find('a');
    ids.delete('a');
    expect(await find('a')).toEqual(['a']);
    forget('a');
    expect(await find('a')).toEqual([]);
  });

  it('that are new have to wait when too many were nobody’s', async () => {
    const { find, pass } = stage(['a', 'new']);
    await find('a');
    await find(...Array.from({ length: 20 }, (_, index) => `foreign-${index}`));
    await expect(find('new')).rejects.toMatchObject({ status: 429, headers: { 'Retry-After': '1' } });
    expect(await find('a')).toEqual(['a']);
    pass(1_001);
    expect(await find('new')).toEqual(['new']);
  });

  it('of any number may be new where they are somebody’s', async () => {
    const many = Array.from({ length: 1_000 }, (_, index) => `known-${index}`);
    const { find } = stage(many);
    expect(await find(...many)).toHaveLength(1_000);
    expect(await find('known-1', 'other')).toEqual(['known-1']);
  });
});

describe('versions seen lately', () => {
  it('are remembered, at least as many as was asked for', () => {
    const recent = new RecentVersions(3);
    for (const version of ['1', '2', '3', '4']) recent.add(version);
    expect(['1', '2', '3', '4'].filter((version) => recent.has(version))).toEqual(['1', '2', '3', '4']);
    for (const version of ['5', '6', '7']) recent.add(version);
    expect(recent.has('1')).toBe(false);
    expect(['5', '6', '7'].every((version) => recent.has(version))).toBe(true);
  });
});
