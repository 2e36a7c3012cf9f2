import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeApi, readBody, runCli, type FakeApi } from './fake-cli.ts';

interface Asked {
  readonly method: string | undefined;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly body: unknown;
}

const schedule = (more: object = {}) => ({
  scheduleId: 'nightly',
  organizationId: 'contoso',
  mode: 'incremental',
  filters: { folders: ['inbox'] },
  ...{ cron: '0 2 * * *', intervalSeconds: null, timeZone: 'Europe/Berlin' },
  ...{ overlap: 'skip', catchUpSeconds: 3600, jitterSeconds: 60, paused: false, note: null },
  ...{ createdAt: '2026-11-01T00:00:00.000Z', changedAt: null },
  nextAt: ['2026-11-22T01:00:00.000Z'],
  running: [],
  recent: [
    {
      scanId: 'nightly-20261121T010000Z',
      due: '2026-11-21T01:00:00.000Z',
      startedAt: '2026-11-21T01:00:20.000Z',
    },
  ],
  ...{ started: 20, skipped: 1, missed: 0 },
  ...more,
});

describe('outhaul schedule', () => {
  let api: FakeApi;
  let asked: Asked[];
  let answer: { status?: number; body: object };
  beforeEach(async () => {
    asked = [];
    answer = { body: { message: 'Schedule nightly is made', schedule: schedule() } };
    api = await fakeApi((request, response) => {
      void (async () => {
        const url = new URL(request.url ?? '', 'http://api');
        const text = await readBody(request);
        asked.push({
          method: request.method,
          path: url.pathname,
          query: Object.fromEntries(url.searchParams),
          body: text === '' ? undefined : (JSON.parse(text) as unknown),
        });
        const { status = 200, body } = answer;
        response
          .writeHead(status, { 'content-type': 'application/json' })
          .end(JSON.stringify({ success: status < 400, ...body }));
      })();
    });
  });
  afterEach(() => api.close());

  const outhaul = (...args: string[]) => runCli(['schedule', ...args, '--url', api.url, '--data-dir', '/nonexistent']);

  it('create makes one with what the options say, and nothing else', async () => {
    expect(await outhaul('create', 'nightly', '--cron', '0 2 * * *')).toMatchObject({
      code: 0,
      notes: 'Schedule nightly is made.\n',
    });
    await outhaul(
      ...['create', 'often', '--every', '15m', '--mode', 'full', '--folders', 'inbox,sent', '--exclude', 'a@x.example'],
      ...['--overlap', 'buffer_one', '--catch-up', '2h', '--jitter', '0s', '--paused', '--organization', 'contoso'],
    );
    expect(asked).toEqual([
      {
        ...{ method: 'POST', path: '/api/v1/schedules', query: {} },
        body: { scheduleId: 'nightly', cron: '0 2 * * *' },
      },
      {
        ...{ method: 'POST', path: '/api/v1/schedules', query: {} },
        body: {
          ...{ scheduleId: 'often', organizationId: 'contoso', intervalSeconds: 900, mode: 'full', paused: true },
          filters: { folders: ['inbox', 'sent'], mailboxes: { exclude: ['a@x.example'] } },
          ...{ overlap: 'buffer_one', catchUpSeconds: 7200, jitterSeconds: 0 },
        },
      },
    ]);
  });

  it('change, pause, resume, trigger, backfill and delete ask for just that', async () => {
    await outhaul('change', 'nightly', '--time-zone', 'UTC', '--organization', 'contoso');
    await outhaul('pause', 'nightly', '--note', 'maintenance');
    await outhaul('resume', 'nightly');
    await outhaul('trigger', 'nightly');
    await outhaul('backfill', 'nightly', '--from', '2026-11-19', '--to', '2026-11-20T12:00:00Z');
    await outhaul('delete', 'nightly');
    const path = '/api/v1/schedules/nightly';
    const from = '2026-11-19T00:00:00.000Z';
    expect(asked).toEqual([
      { method: 'PATCH', path, query: { organizationId: 'contoso' }, body: { timeZone: 'UTC' } },
      { method: 'POST', path: `${path}/pause`, query: {}, body: { note: 'maintenance' } },
      { method: 'POST', path: `${path}/resume`, query: {}, body: undefined },
      { method: 'POST', path: `${path}/trigger`, query: {}, body: undefined },
      { method: 'POST', path: `${path}/backfill`, query: {}, body: { from, to: '2026-11-20T12:00:00.000Z' } },
      { method: 'DELETE', path, query: {}, body: undefined },
    ]);
  });

  it('list and show print tables, or what the API answers', async () => {
    const paused = schedule({
      ...{ scheduleId: 'often', cron: null, timeZone: null, intervalSeconds: 900 },
      ...{ paused: true, note: 'No connection\u001b[31m', recent: [] },
    });
    answer = { body: { schedules: [schedule(), paused] } };
    const { out } = await outhaul('list');
    expect(out).toMatch(
      /nightly +contoso +incremental +0 2 \* \* \* Europe\/Berlin +2026-11-22T01:00:00 +nightly-2026/,
    );
    expect(out).toMatch(/often +contoso +incremental +every 15 min +paused/);
    expect(JSON.parse((await outhaul('list', '--json')).out)).toEqual([schedule(), paused]);
    answer = { body: { schedule: paused } };
    const shown = await outhaul('show', 'often');
    expect(shown.out).toMatch(/status +paused/);
    expect(shown.out).toMatch(/scans +20 started, 1 skipped, 0 missed/);
    expect(shown.out).not.toContain('\u001b[31m');
    expect(JSON.parse((await outhaul('show', 'often', '--json')).out)).toEqual(paused);
    answer = { body: { schedules: [] } };
    expect((await outhaul('list')).notes).toMatch(/^No schedule yet/);
  });

  it('says what is wrong with a length of time, an id and a policy, and repeats what the API says', async () => {
    expect(await outhaul('create', 'nightly', '--every', 'often')).toMatchObject({ code: 2 });
    expect((await outhaul('create', 'nightly', '--every', '5')).notes).toMatch(/such as 90s, 15m, 6h or 1d/);
    expect(await outhaul('create', 'a b')).toMatchObject({ code: 2 });
    expect(await outhaul('create', 'nightly', '--overlap', 'maybe')).toMatchObject({ code: 2 });
    expect(await outhaul('backfill', 'nightly')).toMatchObject({ code: 2 });
    expect(asked).toEqual([]);
    answer = { status: 404, body: { error: 'Not Found', message: 'Schedule nightly is not known', requestId: 'r' } };
    expect(await outhaul('trigger', 'nightly')).toMatchObject({ code: 1 });
    expect((await outhaul('trigger', 'nightly')).notes).toMatch(/Schedule nightly is not known/);
  });
});
