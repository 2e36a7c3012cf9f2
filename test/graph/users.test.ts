import { describe, expect, test } from 'vitest';
import { json, refuse, scripted, type Script } from './scripted-server.ts';
import { failureOf, open, unhurried } from './support.ts';

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const ADA = {
  id: 'ada-id',
  displayName: 'Ada',
  mail: 'ada@harbour.example',
  userPrincipalName: 'ada@harbour.example',
  userType: 'Member',
  accountEnabled: true,
};

describe('The users of a tenant', () => {
  test('come in pages, from the start or from a link, with whatever the directory leaves out as null', async () => {
    await using server = await scripted(({ headers, path }, response) =>
      path.includes('skiptoken')
        ? json(response, 200, { value: [{ id: 'b' }, { displayName: 'without id' }] })
        : json(response, 200, { value: [ADA], '@odata.nextLink': `http://${headers['host']}/v1.0/users?$skiptoken=x` }),
    );
    await using opened = open(server.url);
    const pages = await all(opened.graph.users({}, unhurried()));
    const nobody = { displayName: null, mail: null, userPrincipalName: null, userType: null, accountEnabled: null };
    const next = `${server.url}/v1.0/users?$skiptoken=x`;
    expect(pages).toEqual([{ users: [ADA], next }, { users: [{ id: 'b', ...nobody }] }]);
    expect(await all(opened.graph.users({ link: next }, unhurried()))).toEqual(pages.slice(1));
    expect(server.seen[0]?.path).toBe(
      '/v1.0/users?$select=id,displayName,mail,userPrincipalName,userType,accountEnabled&$top=999',
    );
  });

  test('go on after an empty page, and never ask for more than Graph allows', async () => {
    let turn = 0;
    await using server = await scripted(({ headers }, response) => {
      turn += 1;
      json(response, 200, {
        value: [],
        ...(turn < 4 && { '@odata.nextLink': `http://${headers['host']}/v1.0/users?p=${turn}` }),
      });
    });
    await using opened = open(server.url);
    expect(await all(opened.graph.users({ pageSize: 5_000 }, unhurried()))).toHaveLength(4);
    expect(server.seen[0]?.path).toContain('$top=999');
  });

  test('whose pages lead in a circle end with an error', async () => {
    await using server = await scripted(({ headers, path }, response) =>
      json(response, 200, {
        value: [ADA],
        '@odata.nextLink': `http://${headers['host']}/v1.0/users?p=${path.endsWith('p=1') ? 2 : 1}`,
      }),
    );
    await using opened = open(server.url);
    expect(await failureOf(all(opened.graph.users({}, unhurried())))).toMatchObject({ code: 'LinkLoop' });
    expect(server.seen).toHaveLength(3);
  });

  test.each([
    [400, 'Directory_ExpiredPageToken'],
    [400, 'BadRequest'],
    [410, 'Gone'],
  ])('are listed from the start where Graph does not know a kept link any more: %i %s', async (status, code) => {
    await using server = await scripted(({ path }, response) =>
      path.includes('skiptoken') ? refuse(response, status, code) : json(response, 200, { value: [ADA] }),
    );
    await using opened = open(server.url);
    const link = `${server.url}/v1.0/users?$skiptoken=old`;
    expect(await all(opened.graph.users({ link }, unhurried()))).toEqual([{ users: [ADA] }]);
    expect(server.seen).toHaveLength(2);
  });

  test('cannot be listed without the permission, and the reason names it', async () => {
    await using server = await scripted((_request, response) => refuse(response, 403, 'Authorization_RequestDenied'));
    await using opened = open(server.url);
    const error = await failureOf(opened.graph.usersPage({}, unhurried()));
    expect(error).toMatchObject({ kind: 'permission_missing', retryable: false });
    expect(error.reason).toContain('User.Read.All');
  });
});

describe('The organization', () => {
  test('is read where it may be, and unknown where it may not', async () => {
    const answers: Script[] = [
      (_q, r) => json(r, 200, { value: [{ id: 'tenant', displayName: 'Harbour' }] }),
      (_q, r) => refuse(r, 403, 'Authorization_RequestDenied'),
      (_q, r) => json(r, 200, { value: [] }),
    ];
    await using server = await scripted((request, response) => answers.shift()?.(request, response));
    await using opened = open(server.url);
    expect(await opened.graph.organization(unhurried())).toEqual({ id: 'tenant', displayName: 'Harbour' });
    expect(await opened.graph.organization(unhurried())).toBeUndefined();
    expect(await opened.graph.organization(unhurried())).toBeUndefined();
  });
});

/** Entra's answer with a token that names roles, as Graph's tokens do. */
const tokenWith =
  (roles?: readonly string[]): Script =>
  (_request, response) => {
    const claims = Buffer.from(JSON.stringify({ appid: 'app', ...(roles && { roles }) })).toString('base64url');
    json(response, 200, { token_type: 'Bearer', expires_in: 3599, access_token: `eyJ9.${claims}.sig` });
  };

/** A tenant of which each user's inbox answers as `inboxes` says. */
function tenant(inboxes: Readonly<Record<string, readonly [number, string]>>): Script {
  return ({ path }, response) => {
    const user = /\/users\/([^/?]+)\//.exec(path)?.[1];
    if (user === undefined)
      return json(response, 200, { value: Object.keys(inboxes).map((id) => ({ id, mail: `${id}@x.example` })) });
    const [status, code] = inboxes[user] ?? [404, 'ErrorInvalidUser'];
    return status === 200 ? json(response, 200, { id: 'inbox' }) : refuse(response, status, code);
  };
}

const OPEN = [200, ''] as const;
const DENIED = [403, 'ErrorAccessDenied'] as const;
const NONE = [404, 'MailboxNotEnabledForRESTAPI'] as const;
const BUSY = [500, 'UnknownError'] as const;

describe('The check of a credential', () => {
  async function check(
    inboxes: Parameters<typeof tenant>[0],
    roles: readonly string[] | undefined,
    sample?: readonly string[],
  ) {
    await using server = await scripted(tenant(inboxes), { entra: tokenWith(roles) });
    await using opened = open(server.url, { maxRetries: 0 });
    const outcome = await opened.graph.checkCredential(unhurried(), sample).catch((error: unknown) => error);
    return { outcome, requests: server.seen.length };
  }

  test('is content with one mailbox that can be read', async () => {
    const { outcome, requests } = await check({ a: NONE, b: DENIED, c: OPEN, d: OPEN }, ['Mail.Read']);
    expect(outcome).toEqual({ mail: 'readable' });
    expect(requests).toBe(4);
  });

  test('says that Mail.Read is missing when all are closed and the token names no role for mail', async () => {
    for (const roles of [undefined, [], ['User.Read.All'], ['User.Read.All', 'Mail.ReadBasic.All']]) {
      const { outcome, requests } = await check({ a: DENIED, b: DENIED, c: NONE, d: DENIED, e: DENIED }, roles);
      expect(outcome).toMatchObject({
        kind: 'permission_missing',
        reason: expect.stringMatching(/Mail\.Read.*Grant admin consent/i) as string,
      });
      expect(requests).toBe(5);
    }
  });

  test('takes closed mailboxes for a policy when the token names a role for mail', async () => {
    const { outcome } = await check({ a: DENIED, b: DENIED, c: DENIED }, ['Mail.Read', 'User.Read.All']);
    expect(outcome).toMatchObject({ mail: 'denied', reason: expect.stringContaining('policy') as string });
  });

  test('tries the mailboxes that the app is meant to read', async () => {
    const { outcome } = await check({ a: DENIED, b: DENIED, c: DENIED, d: OPEN }, [], ['d']);
    expect(outcome).toEqual({ mail: 'readable' });
  });

  test('leaves the matter open where no mailbox can be tried', async () => {
    expect((await check({}, [])).outcome).toEqual({ mail: 'unknown' });
    expect((await check({ a: NONE, b: NONE }, [])).outcome).toEqual({ mail: 'unknown' });
    expect((await check({ a: BUSY, b: OPEN }, [])).outcome).toEqual({ mail: 'unknown' });
  });

  test('says that User.Read.All is missing before it looks at any mailbox', async () => {
    await using server = await scripted((_request, response) => refuse(response, 403, 'Authorization_RequestDenied'));
    await using opened = open(server.url);
    const error = await failureOf(opened.graph.checkCredential(unhurried()));
    expect(error.reason).toContain('User.Read.All');
    expect(server.seen).toHaveLength(1);
  });
});
