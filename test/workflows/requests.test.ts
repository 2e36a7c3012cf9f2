import { describe, expect, it } from 'vitest';
import {
  RequestQueue,
  isMoreUrgent,
  withoutTold,
  type ReadRequest,
  type Urgency,
  type Waiter,
} from '../../workflows/requests.ts';

const waiter = (scanId: string, number: number): Waiter => ({ scanId, scanNo: Number(scanId.slice(1)), ask: number });
const ask = (scanId: string, urgency: Urgency = 'full', number = 1): ReadRequest => ({
  urgency,
  waiter: waiter(scanId, number),
});
const unattended = (urgency: Urgency): ReadRequest => ({ urgency });
const queueOf = (...requests: ReadRequest[]): RequestQueue => {
  const queue = new RequestQueue({ begun: [], asked: [] });
  for (const request of requests) queue.add(request);
  return queue;
};
const taken = (queue: RequestQueue): string[] => {
  const all: string[] = [];
  for (let read = queue.take(); read; read = queue.take()) {
    const waiters = read.waiters.map(({ scanId, ask: number }) => `${scanId}#${number}`);
    all.push(`${read.urgency}:${[...waiters, ...(read.unattended ? ['unattended'] : [])].join('+')}`);
  }
  return all;
};

describe('the requests of a mailbox', () => {
  it('are taken most urgent first', () => {
    expect(taken(queueOf(ask('s1'), ask('s2', 'live'), ask('s3', 'incremental')))).toEqual([
      'live:s2#1',
      'incremental:s3#1',
      'full:s1#1',
    ]);
  });

  it('of one urgency become one read, in which a scan waits once with its latest ask', () => {
    expect(taken(queueOf(ask('s1'), ask('s2'), ask('s1', 'full', 7)))).toEqual(['full:s2#1+s1#7']);
  });

  it('stay bounded however many arrive', () => {
    const queue = queueOf(...Array.from({ length: 10_000 }, (_, index) => ask(`s${index % 3}`, 'full', index)));
    expect(queue.waiting.asked).toHaveLength(1);
    expect(queue.waiting.asked[0]?.waiters).toHaveLength(3);
  });

  it('do not join a read that was begun and put back, which goes first', () => {
    const queue = queueOf(ask('s1'));
    const begun = queue.take();
    queue.add(ask('s2'));
    if (begun) queue.putBack(begun);
    expect(taken(queue)).toEqual(['full:s1#1', 'full:s2#1']);
  });

  it('of a scan that asks again while its read is put back only renew its ask', () => {
    const queue = queueOf(ask('s1'));
    const begun = queue.take();
    if (begun) queue.putBack(begun);
    queue.add(ask('s1', 'full', 2));
    expect(taken(queue)).toEqual(['full:s1#2']);
  });

  it('vanish with the last scan that withdraws', () => {
    const queue = queueOf(ask('s1'), ask('s2'));
    queue.withdraw('s1');
    expect(queue.isEmpty).toBe(false);
    queue.withdraw('s2');
    expect(queue.isEmpty).toBe(true);
  });

  it('of those who wait for no report stay when every scan has withdrawn', () => {
    const queue = queueOf(ask('s1'), unattended('full'), unattended('live'), unattended('live'));
    queue.withdraw('s1');
    expect(taken(queue)).toEqual(['live:unattended', 'full:unattended']);
  });

  it('survive continue-as-new', () => {
    const queue = queueOf(ask('s1'), ask('s2', 'live'), unattended('full'));
    const begun = queue.take();
    if (begun) queue.putBack(begun);
    expect(taken(new RequestQueue(queue.waiting))).toEqual(['live:s2#1', 'full:s1#1+unattended']);
  });

  it('interrupt only what is less urgent', () => {
    expect(isMoreUrgent('live', 'full')).toBe(true);
    expect(isMoreUrgent('full', 'full')).toBe(false);
    expect(isMoreUrgent(undefined, 'full')).toBe(false);
  });
});

describe('those that a slice has told', () => {
  it('need no second telling, unless they have asked again meanwhile', () => {
    const waiters = [waiter('s1', 1), waiter('s2', 3), waiter('s3', 1)];
    expect(withoutTold(waiters, [waiter('s1', 1), waiter('s2', 2)])).toEqual([waiter('s2', 3), waiter('s3', 1)]);
  });
});
