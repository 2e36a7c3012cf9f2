import { describe, expect, test } from 'vitest';
import { releasePage } from '../../graph/messages.ts';
import { MESSAGE_MEMBERS } from '../../model/mail.ts';
import { json, refuse, scripted, type Script } from './scripted-server.ts';
import { failureOf, open, unhurried, until } from './support.ts';

const linkTo = (host: string | undefined, rest: string): string => `http://${host}/v1.0${rest}`;

describe('A page of messages', () => {
  test('of a delta round asks for the members, the page size and immutable ids, on every request', async () => {
    const rest = "/users/u/mailFolders('f')/messages/delta?$skiptoken=a%2Bb+c='x'";
    await using server = await scripted(({ headers, path }, response) =>
      json(response, 200, {
        value: [],
        ...(path.includes('skiptoken')
          ? { '@odata.deltaLink': linkTo(headers['host'], '/delta?$deltatoken=z') }
          : { '@odata.nextLink': linkTo(headers['host'], rest) }),
      }),
    );
    await using opened = open(server.url);
    const mailbox = opened.graph.mailbox('id with/odd+chars=');
    const request = { folderId: "f'=", mode: 'delta', pageSize: 500 } as const;
    const first = await mailbox.messages(request, unhurried());
    const second = await mailbox.messages({ ...request, link: first.next }, unhurried());
    expect(first).toMatchObject({ messages: [], removed: [], next: server.url + '/v1.0' + rest });
    expect(second).toMatchObject({ deltaLink: `${server.url}/v1.0/delta?$deltatoken=z` });
    expect(second).not.toHaveProperty('next');
    const members = MESSAGE_MEMBERS.join(',');
    expect(server.seen.map(({ path }) => path)).toEqual([
      `/v1.0/users/id%20with%2Fodd%2Bchars%3D/mailFolders/f%27%3D/messages/delta?$select=${members}`,
      `/v1.0${rest}`,
    ]);
    for (const { headers } of server.seen)
      expect(headers['prefer']).toBe('IdType="ImmutableId", odata.maxpagesize=500');
  });

  test('of a list is in the order of arrival, filtered by the same property', async () => {
    await using server = await scripted((_request, response) =>
      json(response, 200, { value: [{ id: 'a' }], '@odata.count': 12 }),
    );
    await using opened = open(server.url);
    const times = { since: '2024-01-01T00:00:00.000+02:00', until: '2025-01-01' };
    const request = { folderId: 'f', mode: 'list', pageSize: 250, select: ['id', 'subject'], ...times } as const;
    expect(await opened.graph.mailbox('u').messages(request, unhurried())).toMatchObject({
      messages: [{ id: 'a' }],
      count: 12,
    });
    const query = new URL(server.url + (server.seen[0]?.path ?? '')).searchParams;
    expect(Object.fromEntries(query)).toEqual({
      $select: 'id,subject',
      $top: '250',
      $count: 'true',
      $filter: 'receivedDateTime ge 2023-12-31T22:00:00Z and receivedDateTime lt 2025-01-01T00:00:00Z',
      $orderby: 'receivedDateTime asc',
    });
    expect(server.seen[0]?.headers['prefer']).toBe('IdType="ImmutableId"');
  });

  test('cannot be filtered by what is no time', async () => {
    await using opened = open('http://127.0.0.1:9');
    const request = { folderId: 'f', mode: 'list', pageSize: 1, since: "2024 or id ne 'x'" } as const;
    expect(await failureOf(opened.graph.mailbox('u').messages(request, unhurried()))).toMatchObject({
      kind: 'bad_request',
    });
  });

  test('tells messages from removals', async () => {
    await using server = await scripted(({ headers }, response) =>
      json(response, 200, {
        value: [
          { '@odata.type': '#microsoft.graph.message', id: 'gone', '@removed': { reason: 'deleted' } },
          { id: 'a', isRead: null },
          { id: 'changed', '@removed': { reason: 'changed' } },
          { id: 'odd', '@removed': null },
        ],
        '@odata.deltaLink': linkTo(headers['host'], '/d'),
      }),
    );
    await using opened = open(server.url);
    const page = await opened.graph.mailbox('u').messages({ folderId: 'f', mode: 'delta', pageSize: 9 }, unhurried());
    expect(page.messages).toEqual([{ id: 'a', isRead: null }]);
    expect(page.removed).toEqual([
      { id: 'gone', reason: 'deleted' },
      { id: 'changed', reason: 'changed' },
      { id: 'odd', reason: 'deleted' },
    ]);
    expect(page).not.toHaveProperty('held');
    releasePage(page);
    expect(page).toMatchObject({ messages: [], removed: [] });
  });

  test('can be let go of, and had again until it is released', async () => {
    const value = [
      { id: 'gone', '@removed': { reason: 'deleted' } },
      { id: 'a', subject: 'Grüße \u{1f48c}' },
    ];
    await using server = await scripted(({ headers }, response) =>
      json(response, 200, { value, '@odata.deltaLink': linkTo(headers['host'], '/d') }),
    );
    await using opened = open(server.url);
    const request = { folderId: 'f', mode: 'delta', pageSize: 9, held: true } as const;
    const page = await opened.graph.mailbox('u').messages(request, unhurried());
    const [, message] = value;
    expect(page.messages).toEqual([message]);
    page.held?.letGo();
    expect(page.messages).toEqual([]);
    expect([page.held?.again(), page.held?.again()]).toEqual([[message], [message]]);
    expect(page.removed).toHaveLength(1);
    releasePage(page);
    expect(() => page.held?.again()).toThrow('The page has been released');
  });

  test.each([
    ['a \\u0000 b', true],
    ['\\ud83d\\udc8c', true],
    ['\\uDFFF', true],
    ['\\u00e9 \\u2028', false],
    ['plain \u{1f48c}', false],
  ])('with %j in it is suspicious: %s', async (escaped, suspicious) => {
    await using server = await scripted(
      ({ headers }, response) =>
        void response.end(
          `{"value":[{"id":"a","subject":"${escaped}"}],"@odata.deltaLink":"${linkTo(headers['host'], '/d')}"}`,
        ),
    );
    await using opened = open(server.url);
    const page = await opened.graph.mailbox('u').messages({ folderId: 'f', mode: 'delta', pageSize: 9 }, unhurried());
    expect(page.suspicious).toBe(suspicious);
  });

  test.each(['@odata.nextLink', '@odata.deltaLink'])('whose %s leads away from Graph is refused', async (name) => {
    await using server = await scripted((_request, response) =>
      json(response, 200, { value: [], [name]: 'http://127.0.0.1:1/v1.0/users?$skiptoken=x' }),
    );
    await using opened = open(server.url);
    const reading = opened.graph.mailbox('u').messages({ folderId: 'f', mode: 'delta', pageSize: 9 }, unhurried());
    expect(await failureOf(reading)).toMatchObject({ code: 'ForeignLink', retryable: false });
  });

  test('is not asked for where a kept link leads away from Graph: its sync state is lost, and no token is sent', async () => {
    await using elsewhere = await scripted((_request, response) => json(response, 200, { value: [] }));
    await using server = await scripted((_request, response) => json(response, 200, { value: [] }));
    await using opened = open(server.url);
    const request = { folderId: 'f', mode: 'delta', pageSize: 9, link: `${elsewhere.url}/v1.0/x` } as const;
    expect(await failureOf(opened.graph.mailbox('u').messages(request, unhurried()))).toMatchObject({
      kind: 'sync_state_lost',
      code: 'ForeignLink',
    });
    expect([elsewhere.seen.length, server.seen.length]).toEqual([0, 0]);
  });

  test('that names itself as the next one is a loop', async () => {
    const link = '/delta?$skiptoken=same';
    await using server = await scripted(({ headers }, response) =>
      json(response, 200, { value: [], '@odata.nextLink': linkTo(headers['host'], link) }),
    );
    await using opened = open(server.url);
    const request = { folderId: 'f', mode: 'delta', pageSize: 9, link: `${server.url}/v1.0${link}` } as const;
    expect(await failureOf(opened.graph.mailbox('u').messages(request, unhurried()))).toMatchObject({
      code: 'LinkLoop',
    });
  });

  test.each([
    [410, 'SyncStateNotFound', 'sync_state_lost'],
    [507, 'ErrorQuotaExceeded', 'quota_exceeded'],
    [404, 'ErrorSyncFolderNotFound', 'folder_missing'],
    [404, 'ErrorItemNotFound', 'folder_missing'],
    [404, 'MailboxNotEnabledForRESTAPI', 'mailbox_missing'],
    [403, 'ErrorAccessDenied', 'mailbox_denied'],
  ] as const)('that Graph refuses with %i %s fails as %s, at once', async (status, code, kind) => {
    await using server = await scripted((_request, response) => refuse(response, status, code));
    await using opened = open(server.url);
    const reading = opened.graph.mailbox('u').messages({ folderId: 'f', mode: 'delta', pageSize: 9 }, unhurried());
    expect(await failureOf(reading)).toMatchObject({ kind, code, status, retryable: false });
    expect(server.seen).toHaveLength(1);
  });
});

describe('A message', () => {
  test('is read by its id, percent-encoded, with immutable ids', async () => {
    await using server = await scripted((_request, response) => json(response, 200, { id: 'a+/=', subject: null }));
    await using opened = open(server.url);
    const message = await opened.graph.mailbox('u').message('a+/=', { select: ['id', 'subject'] }, unhurried());
    expect(message).toEqual({ id: 'a+/=', subject: null });
    expect(server.seen[0]).toMatchObject({
      path: '/v1.0/users/u/messages/a%2B%2F%3D?$select=id,subject',
      headers: { prefer: 'IdType="ImmutableId"' },
    });
  });

  test('that is not there is undefined; one in a missing mailbox is an error', async () => {
    const codes = ['ErrorItemNotFound', 'ErrorInvalidUser'];
    await using server = await scripted((_request, response) => refuse(response, 404, codes.shift() ?? ''));
    await using opened = open(server.url);
    expect(await opened.graph.mailbox('u').message('x', {}, unhurried())).toBeUndefined();
    expect(await failureOf(opened.graph.mailbox('u').message('x', {}, unhurried()))).toMatchObject({
      kind: 'mailbox_missing',
    });
  });

  test.each([
    ['17', 17],
    ['\ufeff0', 0],
  ])('count of %j is a number', async (text, expected) => {
    await using server = await scripted(
      (_request, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end(text),
    );
    await using opened = open(server.url);
    expect(await opened.graph.mailbox('u').messageCount('f', unhurried())).toBe(expected);
    expect(server.seen[0]?.path).toBe('/v1.0/users/u/mailFolders/f/messages/$count');
  });

  test('count that is no number is an error that may pass', async () => {
    const answers = ['', '<html>', '1.5'];
    await using server = await scripted((_request, response) => void response.end(answers.shift()));
    await using opened = open(server.url);
    for (let answer = 0; answer < 3; answer += 1) {
      expect(await failureOf(opened.graph.mailbox('u').messageCount('f', unhurried()))).toMatchObject({
        kind: 'server_error',
      });
    }
  });
});

/** Answers a batch: what stands for each message id, by turn. */
function batchOf(answers: Readonly<Record<string, readonly object[]>>): Script {
  const turns = new Map<string, number>();
  return ({ body }, response) => {
    const { requests } = JSON.parse(body) as { requests: { id: string; url: string; headers: object }[] };
    const responses = requests.map(({ id, url }) => {
      const message = decodeURIComponent(/messages\/([^?]+)/.exec(url)?.[1] ?? '');
      const turn = turns.get(message) ?? 0;
      turns.set(message, turn + 1);
      const own = answers[message] ?? [{ status: 200, body: { id: message } }];
      return { id, ...own[Math.min(turn, own.length - 1)] };
    });
    json(response, 200, { responses: responses.reverse() });
  };
}

describe('Messages by id', () => {
  test('are asked for three at a time, each once, with immutable ids, so that one more request finds room', async () => {
    await using server = await scripted(batchOf({}));
    await using opened = open(server.url);
    const ids = Array.from({ length: 7 }, (_, index) => `m${index}`);
    const found = await opened.graph.mailbox('u').messagesById([...ids, 'm0'], { select: ['id'] }, unhurried());
    expect([...found.keys()]).toEqual(ids);
    expect(found.get('m6')).toEqual({ id: 'm6' });
    const batches = server.seen.map(({ body }) => (JSON.parse(body) as { requests: object[] }).requests);
    expect(batches.map(({ length }) => length)).toEqual([3, 3, 1]);
    expect(batches[0]?.[1]).toEqual({
      id: '1',
      method: 'GET',
      url: '/users/u/messages/m1?$select=id',
      headers: { Prefer: 'IdType="ImmutableId"' },
    });
    expect(server.seen[0]).toMatchObject({
      method: 'POST',
      path: '/v1.0/$batch',
      headers: { 'content-type': 'application/json' },
    });
  });

  test('that are missing or cannot be read do not hold up the others', async () => {
    const missing = { status: 404, body: { error: { code: 'ErrorItemNotFound', message: '' } } };
    const poison = { status: 500, body: { error: { code: 'ErrorCorruptData', message: '' } } };
    await using server = await scripted(
      batchOf({
        gone: [missing],
        bad: [poison],
        empty: [
          { status: 200, body: null },
          { status: 200, body: { id: 'empty' } },
        ],
      }),
    );
    await using opened = open(server.url);
    const found = await opened.graph.mailbox('u').messagesById(['a', 'gone', 'bad', 'empty'], {}, unhurried());
    expect(Object.fromEntries(found)).toMatchObject({
      a: { id: 'a' },
      gone: 'missing',
      bad: { kind: 'poison' },
      empty: { id: 'empty' },
    });
  });

  test('that are throttled are asked again, and only those', async () => {
    const throttled = {
      status: 429,
      headers: { 'Retry-After': '0.01' },
      body: { error: { code: 'ApplicationThrottled', message: '' } },
    };
    await using server = await scripted(batchOf({ slow: [throttled, { status: 200, body: { id: 'slow' } }] }));
    await using opened = open(server.url);
    const found = await opened.graph.mailbox('u').messagesById(['a', 'slow', 'b'], {}, unhurried());
    expect(found.get('slow')).toEqual({ id: 'slow' });
    expect((JSON.parse(server.seen[1]?.body ?? '') as { requests: object[] }).requests).toHaveLength(1);
  });

  test('of which one stays bad do not fail for it, nor for a dependency that failed or an answer left out', async () => {
    const body = { error: { code: 'UnknownError', message: '' } };
    const answer = batchOf({
      bad: [{ status: 500, body }],
      late: [
        { status: 424, body },
        { status: 200, body: { id: 'late' } },
      ],
    });
    let first = true;
    await using server = await scripted((request, response) => {
      if (!first) return answer(request, response);
      first = false;
      json(response, 200, { responses: [] });
    });
    await using opened = open(server.url);
    const found = await opened.graph.mailbox('u').messagesById(['a', 'bad', 'late'], {}, unhurried());
    expect(Object.fromEntries(found)).toMatchObject({
      a: { id: 'a' },
      bad: { kind: 'server_error', status: 500 },
      late: { id: 'late' },
    });
  });

  test('that are throttled hold back the other requests of the mailbox, too', async () => {
    const throttled = {
      status: 429,
      headers: { 'Retry-After': '90' },
      body: { error: { code: 'ApplicationThrottled', message: '' } },
    };
    await using server = await scripted(batchOf({ slow: [throttled] }));
    await using opened = open(server.url);
    const mailbox = opened.graph.mailbox('u');
    await failureOf(mailbox.messagesById(['a', 'slow'], {}, unhurried()));
    expect(await failureOf(mailbox.message('x', {}, unhurried()))).toMatchObject({ kind: 'throttled' });
    expect(server.seen).toHaveLength(1);
  });

  test('that stay throttled for long are left to the caller', async () => {
    const throttled = {
      status: 429,
      headers: { 'retry-after': '90' },
      body: { error: { code: 'ApplicationThrottled', message: '' } },
    };
    await using server = await scripted(batchOf({ slow: [throttled] }));
    await using opened = open(server.url);
    const reading = opened.graph.mailbox('u').messagesById(['a', 'slow'], {}, unhurried());
    expect(await failureOf(reading)).toMatchObject({ kind: 'throttled', retryAfterMs: 90_000 });
  });

  test('that are too large together are asked for in halves; one too large by itself is named', async () => {
    const large = { status: 200, body: { id: 'large', body: 'x'.repeat(3_000) } };
    const huge = { status: 200, body: { id: 'huge', body: 'x'.repeat(30_000) } };
    await using server = await scripted(batchOf({ l1: [large], l2: [large], l3: [large], l4: [large], huge: [huge] }));
    await using opened = open(server.url, { maxBodyBytes: 8_000 });
    const found = await opened.graph.mailbox('u').messagesById(['l1', 'l2', 'huge', 'l3', 'l4'], {}, unhurried());
    expect(found.get('huge')).toMatchObject({ kind: 'body_too_large' });
    expect([...found.values()].filter((answer) => typeof answer === 'object' && 'body' in answer)).toHaveLength(4);
  });

  test('keep the other requests of the mailbox waiting, for Graph runs all of theirs at a time', async () => {
    const held: (() => void)[] = [];
    await using server = await scripted((request, response) => {
      if (request.method === 'GET') return json(response, 200, { id: 'x' });
      held.push(() => void batchOf({})(request, response));
    });
    await using opened = open(server.url);
    const mailbox = opened.graph.mailbox('u');
    const found = mailbox.messagesById(['a', 'b', 'c'], {}, unhurried());
    await until(() => held.length === 1);
    const other = mailbox.message('x', {}, unhurried());
    await opened.graph.mailbox('v').message('x', {}, unhurried());
    expect(server.seen.map(({ path }) => path.split('?')[0])).toEqual(['/v1.0/$batch', '/v1.0/users/v/messages/x']);
    held[0]?.();
    expect((await found).size).toBe(3);
    expect(await other).toEqual({ id: 'x' });
  });

  test('that are none need no request', async () => {
    await using opened = open('http://127.0.0.1:9');
    expect(await opened.graph.mailbox('u').messagesById([], {}, unhurried())).toEqual(new Map());
  });
});

describe('The ids of a folder', () => {
  test('come in pages, in the order of arrival, each once, with a count of what repeats itself', async () => {
    await using server = await scripted(({ headers, path }, response) =>
      path.includes('skip')
        ? json(response, 200, { value: [] })
        : json(response, 200, {
            value: [{ id: 'a' }, { id: 'b' }, { id: 'a' }],
            '@odata.count': 7,
            '@odata.nextLink': linkTo(headers['host'], '/m?$skip=900'),
          }),
    );
    await using opened = open(server.url);
    const mailbox = opened.graph.mailbox('u');
    const first = await mailbox.messageIds('f', { pageSize: 900 }, unhurried());
    expect(first).toEqual({ ids: ['a', 'b'], repeated: 1, count: 7, next: `${server.url}/v1.0/m?$skip=900` });
    const last = await mailbox.messageIds('f', { pageSize: 900, link: first.next }, unhurried());
    expect(last).toEqual({ ids: [], repeated: 0 });
    expect(Object.fromEntries(new URL(server.url + (server.seen[0]?.path ?? '')).searchParams)).toEqual({
      $select: 'id',
      $top: '900',
      $count: 'true',
      $orderby: 'receivedDateTime asc',
    });
    for (const { headers } of server.seen) expect(headers['prefer']).toContain('IdType="ImmutableId"');
  });
});
