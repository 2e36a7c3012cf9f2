import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeApi, readBody, runCli, type FakeApi } from './fake-cli.ts';

const entry = (messageId: string, more: object = {}) => ({
  organizationId: 'contoso',
  mailboxId: '0f6c2a1e-5f0e-4c6e-9d3a-2b7c1d4e5f60',
  folderId: 'inbox-id',
  messageId,
  cause: 'ErrorContentConversionFailed',
  httpStatus: 500,
  requestId: '7d1c2b3a-0000-4000-8000-000000000001',
  unreadable: ['body', 'replyTo'],
  stored: true,
  attempts: 2,
  firstScanId: 's1',
  lastScanId: 's2',
  firstAt: '2026-11-21T09:00:00.000Z',
  lastAt: '2026-11-22T09:00:00.000Z',
  retryRequestedAt: null,
  resolvedAt: null,
  resolution: null,
  ...more,
});

let api: FakeApi;
let asked: { method: string | undefined; path: string; query: Record<string, string>; body: string }[];
let pages: object[][];
let retried: number;
beforeEach(async () => {
  asked = [];
  pages = [[entry('AAkALg1')], [entry('AAkALg2', { stored: false, httpStatus: null, cause: '54000' })]];
  retried = 2;
  api = await fakeApi((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '', 'http://api');
      const query = Object.fromEntries(url.searchParams);
      asked.push({ method: request.method, path: url.pathname, query, body: await readBody(request) });
      const page = query['cursor'] === undefined ? 0 : 1;
      const nextCursor = page + 1 < pages.length ? 'next' : null;
      const list = {
        messages: pages[page],
        pagination: { limit: 500, hasMore: nextCursor !== null, nextCursor },
      };
      const retry = {
        organizationId: 'contoso',
        messages: retried,
        mailboxes: retried,
        message: `${retried} messages in ${retried} mailboxes are tried again`,
      };
      const body = { success: true, ...(request.method === 'POST' ? retry : list) };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    })();
  });
});
afterEach(() => api.close());

const outhaul = (...args: string[]) => runCli(['quarantine', ...args, '--url', api.url, '--data-dir', '/nonexistent']);

describe('outhaul quarantine list', () => {
  it('prints every message with its cause, its request id and what is missing of it, over all pages', async () => {
    const { code, out } = await outhaul('list');
    expect(code).toBe(0);
    expect(out).toMatch(/500 ErrorContentConversionFailed\s+2\s+7d1c2b3a\S+\s+\S+\s+without body, replyTo\s+AAkALg1/);
    expect(out).toMatch(/54000\s.*nothing\s+AAkALg2/);
    expect(asked.map(({ query }) => query['cursor'])).toEqual([undefined, 'next']);
  });

  it('asks for what the options name', async () => {
    await outhaul('list', '--scan', 's1', '--cause', 'Timeout', '--mailbox', 'm', '--message', 'x', '--limit', '1');
    expect(asked).toMatchObject([
      {
        path: '/api/v1/quarantine',
        query: { scanId: 's1', cause: 'Timeout', mailboxId: 'm', messageId: 'x', limit: '1' },
      },
    ]);
    await outhaul('list', '--resolved', '--organization', 'contoso');
    expect(asked[1]?.query).toMatchObject({ state: 'resolved', organizationId: 'contoso' });
  });

  it('prints JSON lines', async () => {
    const { out } = await outhaul('list', '--json');
    const lines = out.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { messageId: string }).messageId)).toEqual(['AAkALg1', 'AAkALg2']);
  });

  it('says so where there is nothing', async () => {
    pages = [[]];
    expect(await outhaul('list')).toMatchObject({ code: 0, out: '', notes: 'Nothing is in quarantine.\n' });
  });
});

describe('outhaul quarantine retry', () => {
  it('asks for what the options name to be tried again', async () => {
    const { code, notes } = await outhaul('retry', '--cause', 'ErrorCorruptData', '--organization', 'contoso');
    expect(code).toBe(0);
    expect(notes).toContain('2 messages in 2 mailboxes are tried again.');
    expect(asked).toMatchObject([{ method: 'POST', query: { organizationId: 'contoso' } }]);
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ cause: 'ErrorCorruptData' });
    await outhaul('retry', '--all');
    expect(JSON.parse(asked[1]?.body ?? '')).toEqual({ all: true });
  });

  it.each([[[]], [['--all', '--cause', 'Timeout']]])('wants to know which: %j', async (args: string[]) => {
    const { code, notes } = await outhaul('retry', ...args);
    expect(code).toBe(2);
    expect(notes).toContain('--all');
    expect(asked).toEqual([]);
  });
});
