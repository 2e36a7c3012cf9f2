import { describe, expect, it } from 'vitest';
import { PageLog } from '../../chaos/pages.ts';
import { medianAndWorst, recoveriesOf } from '../../chaos/recovery.ts';
import { faultsOf, peakLines, recoveryLines, type Report } from '../../chaos/report.ts';
import { rereadsOf } from '../../chaos/reread.ts';
import type { Event } from '../../chaos/timeline.ts';

const event = (at: number, kind: Event['kind'], more: Partial<Event> = {}): Event => ({
  ...{ at, kind, scanNo: null, mailboxId: null, folderId: null, link: null, state: null },
  ...more,
});
const scan = (at: number, state: string): Event => event(at, 'scan', { scanNo: 1, state });
const page = (at: number, link: string | null): Event => event(at, 'page', { mailboxId: 'm', folderId: 'f', link });
const round = (at: number): Event => event(at, 'round', { mailboxId: 'm', folderId: 'f' });

describe('recovery', () => {
  const kill = { name: 'killWorker', from: 1_000, to: 3_000 };

  it('is the time from the return of a killed process to the next progress', () => {
    const events = [scan(500, 'running'), page(900, null), round(3_500), page(7_000, null)];
    expect(recoveriesOf([kill], { events, incidents: [kill] })).toEqual([{ name: 'killWorker', seconds: 4 }]);
  });

  it('is not measured where no scan runs, or none goes on', () => {
    expect(recoveriesOf([kill], { events: [page(7_000, null)], incidents: [] })).toEqual([]);
    const cancelled = [scan(500, 'running'), scan(4_000, 'cancelling'), scan(9_000, 'running'), page(9_500, null)];
    expect(recoveriesOf([kill], { events: cancelled, incidents: [] })[0]?.seconds).toBe(1);
  });

  it('counts from the end of another fault that stood in the way', () => {
    const events = [scan(500, 'running'), page(20_000, null)];
    const cut = { name: 'cutWorkerTemporal', from: 2_000, to: 15_000 };
    expect(recoveriesOf([kill], { events, incidents: [kill, cut] })[0]?.seconds).toBe(5);
  });

  it('is told as median and worst', () => {
    const some = [9, 1, 4].map((seconds) => ({ name: 'killApi', seconds }));
    expect(medianAndWorst(some)).toEqual({ median: 4, worst: 9 });
    expect(medianAndWorst(some.slice(0, 2))).toEqual({ median: 5, worst: 9 });
    expect(medianAndWorst([])).toEqual({ median: null, worst: null });
  });

  it('is told for each kind of kill, with how many could be measured', () => {
    const kills = ['killApi', 'killWorker', 'killApi'].map((name) => ({ ...kill, name }));
    expect(recoveryLines([{ name: 'killApi', seconds: 4 }], kills)).toEqual([
      'killApi: 1 of 2 measured, went on after 4 s in the median, 4 s at worst',
      'killWorker: 0 of 1 measured',
    ]);
  });
});

describe('pages read again', () => {
  const link = 'http://127.0.0.1:1/v1.0/users/m/mailFolders/f/messages/delta?$skiptoken=2';
  const target = link.slice('http://127.0.0.1:1'.length);
  const kill = { name: 'killWorker', from: 2_000, to: 2_500 };
  const asked = (...times: number[]) => times.map((at) => ({ target, at, isRead: true }));

  it('are those that a kill caught between reading and committing', () => {
    const events = [round(0), page(5_000, link)];
    expect(rereadsOf([kill], { events, requests: asked(1_000, 4_000) })).toEqual({ committed: [], worst: 1 });
    expect(rereadsOf([kill], { events, requests: asked(3_000, 4_000) })).toEqual({ committed: [], worst: 0 });
    const database = { ...kill, name: 'killPostgres' };
    expect(rereadsOf([database], { events, requests: asked(1_000, 4_000) }).worst).toBe(1);
  });

  it.each([
    ['a cut at the same time', { name: 'cutWorkerGraph', from: 500, to: 1_500 }],
    ['a worker frozen later', { name: 'freezeWorker', from: 4_500, to: 9_000 }],
    ['another kill', { name: 'killTemporal', from: 3_000, to: 3_500 }],
    ['a scan cancelled', { name: 'cancelScan', from: 4_500, to: 4_500 }],
  ])('are no cost of a kill where something else may have cost them: %s', (_, other) => {
    const read = { events: [round(0), page(5_000, link)], requests: asked(1_000, 4_000) };
    expect(rereadsOf([kill, other], read).worst).toBe(0);
    expect(rereadsOf([kill, { ...other, from: 5_001, to: 6_000 }], read).worst).toBe(1);
  });

  it.each(['killApi', 'killTemporal', 'freezeWorker', 'cutWorkerPostgres'])('are no cost of %s', (name) => {
    const read = { events: [round(0), page(5_000, link)], requests: asked(1_000, 4_000) };
    expect(rereadsOf([{ ...kill, name }], read).worst).toBe(0);
  });

  it('are counted for each mailbox and kill', () => {
    const links = [1, 2, 3].map((n) => `/v1.0/users/m/mailFolders/f/messages/delta?$skiptoken=${n}`);
    const requests = [1_000, 4_000].flatMap((at) => links.map((each) => ({ target: each, at, isRead: true })));
    const events = [round(0), ...links.map((each) => page(5_000, each))];
    expect(rereadsOf([kill], { events, requests }).worst).toBe(3);
  });

  it('are told apart from those that were committed, and from those of another round', () => {
    const events = [round(0), page(5_000, link), round(7_000), page(9_000, link)];
    expect(rereadsOf([], { events, requests: asked(1_000, 6_000, 8_000) })).toEqual({
      committed: asked(6_000),
      worst: 0,
    });
    expect(rereadsOf([], { events, requests: asked(1_000, 8_000) })).toEqual({ committed: [], worst: 0 });
  });

  it('know the first page of a round by its folder', () => {
    const first = '/v1.0/users/m/mailFolders/f/messages/delta?$select=id';
    const requests = [1_000, 3_000].map((at) => ({ target: first, at, isRead: true }));
    expect(rereadsOf([kill], { events: [page(4_000, null)], requests }).worst).toBe(1);
  });
});

describe('the log of pages', () => {
  it('hears which pages are asked for and whether they are answered', () => {
    const log = new PageLog();
    const tap = log.tap();
    const say = (line: string): void => tap.fromClient(Buffer.from(`${line} HTTP/1.1\r\nhost: graph\r\n\r\n`));
    const answer = (status: number): void => tap.fromServer(Buffer.from(`HTTP/1.1 ${status} Whatever\r\n\r\n{}`));
    say('GET /v1.0/users/m/mailFolders/f/messages/delta?$skiptoken=1');
    answer(200);
    say('GET /v1.0/users/m/mailFolders/f');
    answer(200);
    say('GET /v1.0/users/m/mailFolders/f/messages/delta?$skiptoken=2');
    answer(503);
    expect(log.requests.map(({ target, isRead }) => [target.split('=')[1], isRead])).toEqual([
      ['1', true],
      ['2', false],
    ]);
  });
});

describe('a report', () => {
  const clean = {
    ...{ missing: 0, duplicated: 0, different: 0, unexplained: 0 },
    ...{ peakMailboxConcurrency: 4, rereadPagesWorst: 3, rereadCommitted: 0 },
  } as Report;

  it('passes with nothing missing, duplicated, different or unexplained, 4 requests at a time, and pages in flight read again', () => {
    expect(faultsOf(clean)).toEqual([]);
  });

  it.each(['missing', 'duplicated', 'different', 'unexplained'])('fails with one %s', (what) => {
    expect(faultsOf({ ...clean, [what]: 1 })).toEqual([`1 ${what}`]);
  });

  it('fails above 4 requests at a time for a mailbox', () => {
    expect(faultsOf({ ...clean, peakMailboxConcurrency: 5 })).toHaveLength(1);
  });

  it('tells what was in flight then, and for how long', () => {
    const requests = [35_000, 12, 9, 4, 0].map((ms) => ({ kind: 'messagesDelta', ms }) as const);
    const at = '2026-01-01T00:00:00.000Z';
    expect(peakLines({ at, requests: requests.slice(1) })).toEqual([]);
    expect(peakLines({ at, requests }).join()).toContain('messagesDelta for 35000 ms, messagesDelta for 12 ms');
  });

  it('fails above 3 pages of a mailbox that one kill made be read again', () => {
    expect(faultsOf({ ...clean, rereadPagesWorst: 4 })).toEqual([
      '4 pages of one mailbox read again because of one kill, more than 3',
    ]);
  });

  it('fails with one page that was read again though it was committed', () => {
    expect(faultsOf({ ...clean, rereadCommitted: 1 })).toEqual(['1 pages read again though they were committed']);
  });
});
