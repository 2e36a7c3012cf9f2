import { describe, expect, it } from 'vitest';
import { deliverFaultsOf, type DeliverReport } from '../../chaos/deliver.ts';
import { handedOn, type Arrived } from '../../chaos/handed-on.ts';
import type { Delivery, Kind } from '../../chaos/outbox.ts';

const delivery = (kind: Kind, messageId: string, attachmentId: string | null, more: object = {}): Delivery => ({
  ...{ kind, deliveryNo: 1, messageId, attachmentId, status: 'delivered', owedAt: 0, deliveredAt: 1_000 },
  sha256: attachmentId && `hash of ${attachmentId}`,
  ...more,
});
const toUtility = (messageId: string, key: string) => ({ at: 0, path: '/process', key, messages: [messageId] });
const batchOf = (key: string, ...messages: string[]) => ({ at: 0, path: '/batch-metadata', key, messages });
const batch = (...messages: string[]) => batchOf('key', ...messages);
const item = (messageId: string, attachmentId: string, sha256 = `hash of ${attachmentId}`) => ({
  ...{ messageId, attachmentId, sha256 },
});
const nothing: Arrived = { receipts: [], list: [], files: [], triedAgain: new Set() };
const judge = (deliveries: readonly Delivery[], arrived: Partial<Arrived>) =>
  handedOn({ deliveries, unowed: 0 }, { ...nothing, ...arrived });

describe('what was handed on', () => {
  it('is all there where each delivery has arrived once, in order', () => {
    const deliveries = [
      ...[delivery('utility', 'm1', null), delivery('batch', 'm1', null), delivery('batch', 'm2', null)],
      ...[delivery('redis_list', 'm1', 'a1'), delivery('redis_list', 'm1', 'a2'), delivery('folder', 'm1', 'a1')],
    ];
    expect(
      judge(deliveries, {
        receipts: [toUtility('m1', 'key'), batch('m1', 'm2')],
        list: [item('m1', 'a1'), item('m1', 'a2')],
        files: ['hash of a1'],
      }),
    ).toEqual({
      ...{ owed: 6, delivered: 6, deadLetters: 0, undecided: 0, unowed: 0 },
      ...{ lost: 0, altered: 0, again: 0, twoKeys: 0, outOfOrder: 0 },
    });
  });

  it('is lost where the store says delivered and nobody has it, of each kind', () => {
    const deliveries = [
      ...[delivery('utility', 'm1', null), delivery('batch', 'm1', null)],
      ...[delivery('redis_list', 'm1', 'a1'), delivery('folder', 'm1', 'a1')],
    ];
    expect(judge(deliveries, {})).toMatchObject({ lost: 4 });
  });

  it('is undecided where it is neither delivered nor dead', () => {
    const deliveries = [
      delivery('utility', 'm1', null, { status: 'owed' }),
      delivery('utility', 'm2', null, { status: 'dead' }),
    ];
    expect(judge(deliveries, {})).toMatchObject({ undecided: 1, deadLetters: 1, lost: 0 });
  });

  it('may come again under its key, and not under another', () => {
    const deliveries = [delivery('utility', 'm1', null)];
    const again = [toUtility('m1', 'key'), toUtility('m1', 'key')];
    expect(judge(deliveries, { receipts: again })).toMatchObject({ again: 1, twoKeys: 0 });
    const other = [toUtility('m1', 'key'), toUtility('m1', 'another')];
    expect(judge(deliveries, { receipts: other })).toMatchObject({ twoKeys: 1 });
  });

  it('may come again in the batch that it came in before, and in no other, unless it was tried again as a dead letter', () => {
    const deliveries = [delivery('batch', 'm1', null), delivery('batch', 'm2', null, { deliveryNo: 2 })];
    const again = [batchOf('whole', 'm1', 'm2'), batchOf('whole', 'm1', 'm2')];
    expect(judge(deliveries, { receipts: again })).toMatchObject({ again: 2, twoKeys: 0 });
    const apart = [batchOf('whole', 'm1', 'm2'), batchOf('one', 'm1'), batchOf('other', 'm2')];
    expect(judge(deliveries, { receipts: apart })).toMatchObject({ twoKeys: 2 });
    expect(judge(deliveries, { receipts: apart, triedAgain: new Set([2]) })).toMatchObject({ twoKeys: 1 });
  });

  it('is altered where its bytes are others', () => {
    const list = [item('m1', 'a1', 'another hash')];
    expect(judge([delivery('redis_list', 'm1', 'a1')], { list })).toMatchObject({ altered: 1 });
  });

  it('is out of order where it comes after something newer, unless it has waited for a minute', () => {
    const deliveries = [delivery('batch', 'm1', null), delivery('batch', 'm2', null)];
    expect(judge(deliveries, { receipts: [batch('m2', 'm1')] })).toMatchObject({ outOfOrder: 1 });
    expect(judge(deliveries, { receipts: [batch('m1', 'm2'), batch('m1')] })).toMatchObject({ outOfOrder: 0 });
    const later = [delivery('batch', 'm1', null), delivery('batch', 'm2', null, { deliveredAt: 61_000 })];
    expect(judge(later, { receipts: [batch('m2', 'm1')] })).toMatchObject({ outOfOrder: 0 });
  });

  it('is not out of order for a dead letter that was tried again, and had arrived in its old place', () => {
    const deliveries = [delivery('batch', 'm1', null), delivery('batch', 'm2', null, { deliveryNo: 2 })];
    const receipts = [batch('m2', 'm1'), batch('m2')];
    expect(judge(deliveries, { receipts, triedAgain: new Set([2]) })).toMatchObject({ outOfOrder: 0, lost: 0 });
  });
});

const passed: DeliverReport = {
  ...{ seed: 1, faults: {}, kills: 2, messages: 100, missing: 0, duplicated: 0, different: 0, attachments: 10 },
  ...{ attachmentsDifferent: 0, owed: 220, delivered: 219, deadLetters: 1, undecided: 0, unowed: 0, lost: 0 },
  ...{ altered: 0, again: 2, twoKeys: 0, outOfOrder: 0, peakMailboxConcurrency: 4 },
};

describe('a run with destinations', () => {
  it('has passed with everything delivered or a dead letter', () => {
    expect(deliverFaultsOf(passed)).toEqual([]);
  });

  it.each([
    [{ lost: 1 }, '1 lost'],
    [{ undecided: 2 }, '2 undecided'],
    [{ unowed: 1 }, '1 stored and owed to nobody'],
    [{ outOfOrder: 3 }, '3 out of order'],
    [{ attachmentsDifferent: 1 }, '1 attachments missing or different'],
    [{ delivered: 0 }, 'nothing was delivered'],
  ])('has failed with %j', (change, fault) => {
    expect(deliverFaultsOf({ ...passed, ...change })).toEqual([fault]);
  });
});
