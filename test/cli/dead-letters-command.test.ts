import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeApi, readBody, runCli, type FakeApi } from './fake-cli.ts';

const DESTINATION = '0f8fad5b-d9cb-469f-a165-70867728950e';

const letter = (deliveryNo: number, more: object = {}) => ({
  deliveryNo,
  destinationId: DESTINATION,
  destinationName: 'invoices',
  messageId: 'AAkALg1',
  mailboxId: '1f8fad5b-d9cb-469f-a165-70867728950e',
  attachmentId: null,
  attempts: 3,
  replays: 0,
  cause: 'rejected',
  error: 'It answered 400',
  httpStatus: 400,
  answer: null,
  owedAt: '2026-11-21T09:00:00.000Z',
  endedAt: '2026-11-22T09:00:00.000Z',
  ...more,
});

let api: FakeApi;
let pages: object[][];
let causes: object[];
let asked: { call: string; query: Record<string, string>; body: unknown }[];
beforeEach(async () => {
  asked = [];
  pages = [[letter(4711)], [letter(4712, { cause: null, error: null, answer: 'no such customer' })]];
  causes = [{ destinationId: DESTINATION, destinationName: 'invoices', cause: 'rejected', letters: 1234 }];
  const answerTo = (path: string, query: Record<string, string>): object => {
    if (path.endsWith('/destinations')) return { destinations: [{ id: DESTINATION, name: 'invoices' }] };
    if (path.endsWith('/causes')) return { causes };
    if (path.endsWith('/retry') || path.endsWith('/drop')) return { letters: 2, message: '2 dead letters are done' };
    if (path.endsWith('/4711')) return { letter: letter(4711) };
    const page = query['cursor'] === undefined ? 0 : 1;
    const nextCursor = page + 1 < pages.length ? 'next' : null;
    return { letters: pages[page], pagination: { limit: 500, hasMore: nextCursor !== null, nextCursor } };
  };
  api = await fakeApi((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '', 'http://api');
      const query = Object.fromEntries(url.searchParams);
      const text = await readBody(request);
      const body = text === '' ? undefined : (JSON.parse(text) as unknown);
      asked.push({ call: `${request.method} ${url.pathname}`, query, body });
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ success: true, ...answerTo(url.pathname, query) }));
    })();
  });
});
afterEach(() => api.close());

const outhaul = (...args: string[]) =>
  runCli(['dead-letters', ...args, '--url', api.url, '--data-dir', '/nonexistent']);

describe('outhaul dead-letters list', () => {
  it('prints each with its cause and what was said, over all pages', async () => {
    const { code, out } = await outhaul('list');
    expect(code).toBe(0);
    expect(out).toMatch(/4711 +2026-11-22T09:00 +invoices +rejected +3 +It answered 400 +AAkALg1/);
    expect(out).toMatch(/4712 .*no such customer/);
    expect(asked.map(({ query }) => query['cursor'])).toEqual([undefined, 'next']);
  });

  it('asks for what the options name', async () => {
    const named = ['--destination', 'invoices', '--cause', 'rejected', '--limit', '1', '--organization', 'contoso'];
    const { notes } = await outhaul('list', ...named);
    expect(asked.at(-1)).toMatchObject({
      call: 'GET /api/v1/dead-letters',
      query: { destination: DESTINATION, cause: 'rejected', limit: '1', organizationId: 'contoso' },
    });
    expect(notes).toContain('There are more');
    await outhaul('list', '--answered');
    expect(asked.at(-1)?.query).toMatchObject({ answered: 'true' });
    const unknown = await outhaul('list', '--destination', 'bills');
    expect(unknown).toMatchObject({ code: 1, notes: expect.stringContaining('no destination bills') as string });
  });

  it('prints JSON lines, and says so where there is none', async () => {
    const { out } = await outhaul('list', '--json');
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { deliveryNo: number }).deliveryNo),
    ).toEqual([4711, 4712]);
    pages = [[]];
    expect(await outhaul('list')).toMatchObject({ code: 0, out: '', notes: 'There is no dead letter.\n' });
    expect((await outhaul('list', '--answered')).notes).toBe('Nothing was answered with an error.\n');
  });
});

describe('outhaul dead-letters', () => {
  it('shows one', async () => {
    const { code, out } = await outhaul('show', '4711');
    expect(code).toBe(0);
    expect(out).toMatch(/^destination +invoices \(0f8fad5b/m);
    expect(out).toMatch(/^HTTP status +400$/m);
    expect(out).not.toContain('attachment');
    expect(JSON.parse((await outhaul('show', '4711', '--json')).out)).toEqual(letter(4711));
    expect((await outhaul('show', 'first')).code).toBe(2);
  });

  it('counts them by destination and cause', async () => {
    expect((await outhaul('causes')).out).toMatch(/1,234 +invoices +rejected/);
    expect(JSON.parse((await outhaul('causes', '--json')).out)).toEqual(causes);
    causes = [];
    expect((await outhaul('causes')).notes).toBe('There is no dead letter.\n');
  });

  it.each(['retry', 'drop'])('%s: by number, by destination and cause, or all', async (action) => {
    const { code, notes } = await outhaul(action, '4711', '4712');
    expect({ code, notes }).toEqual({ code: 0, notes: '2 dead letters are done.\n' });
    expect(asked.at(-1)).toMatchObject({ call: `POST /api/v1/dead-letters/${action}`, body: { ids: [4711, 4712] } });
    await outhaul(action, '--destination', 'invoices', '--cause', 'rejected');
    expect(asked.at(-1)?.body).toEqual({ destination: DESTINATION, cause: 'rejected' });
    await outhaul(action, '--all', '--organization', 'contoso');
    expect(asked.at(-1)).toMatchObject({ body: { all: true }, query: { organizationId: 'contoso' } });
  });

  it('retries what was answered with an error', async () => {
    await outhaul('retry', '--all', '--answered');
    expect(asked.at(-1)?.body).toEqual({ all: true, answered: true });
  });

  it.each([[[]], [['--all', '--cause', 'rejected']], [['--all', '4711']]])('wants to know which: %j', async (args) => {
    for (const action of ['retry', 'drop']) {
      const { code, notes } = await outhaul(action, ...args);
      expect(code).toBe(2);
      expect(notes).toContain('--all');
    }
    expect((await outhaul('drop', 'x')).code).toBe(2);
    expect(asked).toEqual([]);
  });
});
