import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator, type TruthMailbox } from '../../simulator/index.ts';
import { TestClient, textOf } from './client.ts';

let simulator: Simulator;
let client: TestClient;
let mailboxes: TruthMailbox[];
const eventual = { consistencylevel: 'eventual' };

beforeAll(async () => {
  const users = [{ displayName: 'Quay Master', userPrincipalName: "o'quay#1@harbour.example", messages: 3 }];
  simulator = await startSimulator({ tenant: { mailboxes: 150, messagesPerMailbox: 2, users } });
  client = new TestClient(simulator);
  mailboxes = simulator.control.truth.mailboxes();
});
afterAll(() => simulator.close());

const ofKind = (kind: TruthMailbox['kind']) => mailboxes.find((mailbox) => mailbox.kind === kind) as TruthMailbox;

describe('listing users', () => {
  test('pages by 100 by default, in links with an opaque $skiptoken that keep the query', async () => {
    const first = await client.get('/users?$select=id,mail');
    expect(first.body.value).toHaveLength(100);
    expect(Object.keys(first.body.value[0] ?? {}).sort()).toEqual(['id', 'mail']);
    expect(first.body['@odata.nextLink']).toMatch(/\?%24select=id%2Cmail&\$skiptoken=RFNwdAI/);
    const { items, pages } = await client.all('/users?$select=id&$top=60');
    expect(pages).toBe(3);
    expect(new Set(items.map(({ id }) => id))).toEqual(new Set(mailboxes.map(({ id }) => id)));
  });

  test('gives the documented properties without $select', async () => {
    const { body } = await client.get('/users?$top=1');
    expect(Object.keys(body.value[0] ?? {}).sort()).toEqual(
      ['businessPhones', 'displayName', 'givenName', 'id', 'jobTitle', 'mail', 'mobilePhone', 'officeLocation', 'preferredLanguage', 'surname', 'userPrincipalName'],
    ); // prettier-ignore
  });

  test('refuses pages above 999, $skip, and properties of single users', async () => {
    const tooLarge = await client.get('/users?$top=1000');
    expect(tooLarge.status).toBe(400);
    expect(tooLarge.body.error).toMatchObject({
      message: "Invalid page size specified: '1000'. Must be between 1 and 999 inclusive.",
    });
    expect((await client.get('/users?$skip=5')).status).toBe(400);
    expect((await client.get('/users?$select=id,mailboxSettings')).status).toBe(501);
  });

  test('filters, and asks for the advanced-query header where Entra does', async () => {
    const disabled = await client.all('/users?$filter=accountEnabled eq false&$select=id,accountEnabled');
    expect(disabled.items).toHaveLength(3);
    const guests = await client.all("/users?$filter=userType eq 'Guest'");
    expect(guests.items).toHaveLength(1);
    const byName = await client.all(
      "/users?$filter=startswith(displayName,'room') or mail eq 'portoffice@harbour.example'",
    );
    expect(byName.items.map(({ displayName }) => displayName).sort()).toEqual(['Port Office', 'Room Lighthouse']);

    const plain = await client.get("/users?$filter=userType ne 'Guest'");
    expect(plain.body.error).toMatchObject({ code: 'Request_UnsupportedQuery' });
    const advanced = await client.get("/users?$filter=userType ne 'Guest'&$count=true&$top=10", eventual);
    expect(advanced.body['@odata.count']).toBe(mailboxes.length - 1);
    const second = await client.get(textOf(advanced.body['@odata.nextLink']), eventual);
    expect(second.body).not.toHaveProperty('@odata.count');
    expect((await client.get('/users?$filter=this is no filter')).status).toBe(400);
  });

  test('counts users for those who send the header', async () => {
    expect((await client.get('/users/$count')).status).toBe(400);
    const { text, headers } = await client.get('/users/$count', eventual);
    expect(text).toBe(String(mailboxes.length));
    expect(headers.get('content-type')).toBe('text/plain');
  });
});

describe('one user', () => {
  test('is found by id and by principal name in any case, encoded where it must be', async () => {
    const odd = mailboxes.find(({ userPrincipalName }) => userPrincipalName.includes('#1')) as TruthMailbox;
    for (const key of [odd.id, odd.id.toUpperCase(), encodeURIComponent(odd.userPrincipalName.toUpperCase())]) {
      expect((await client.get(`/users/${key}`)).body).toMatchObject({ id: odd.id });
    }
    expect((await client.get(`/users('${odd.id}')`)).body).toMatchObject({ id: odd.id });
    const unknown = await client.get('/users/nobody@harbour.example');
    expect(unknown.status).toBe(404);
    expect(unknown.body.error).toMatchObject({ code: 'Request_ResourceNotFound' });
  });

  test('tells in its mailbox settings what the mailbox is for', async () => {
    for (const [kind, purpose] of [
      ['user', 'user'],
      ['shared', 'shared'],
      ['room', 'room'],
      ['disabled', 'user'],
    ] as const) {
      const { body } = await client.get(`/users/${ofKind(kind).id}/mailboxSettings`);
      expect(body).toMatchObject({ userPurpose: purpose });
    }
  });
});

describe('users without a readable mailbox', () => {
  test.each([
    ['guest', 404, 'MailboxNotEnabledForRESTAPI'],
    ['unlicensed', 404, 'MailboxNotEnabledForRESTAPI'],
    ['denied', 403, 'ErrorAccessDenied'],
  ] as const)('a %s user answers %i %s', async (kind, status, code) => {
    const { id, readable, reason } = ofKind(kind);
    expect({ readable, reason }).toEqual({ readable: false, reason: code });
    for (const path of [
      'mailFolders',
      'mailFolders/inbox?$select=id',
      'messages',
      'mailFolders/inbox/messages/delta',
    ]) {
      const got = await client.get(`/users/${id}/${path}`);
      expect([got.status, (got.body.error as { code: string }).code]).toEqual([status, code]);
    }
  });

  test('a user who is not in the directory is invalid for mail', async () => {
    const { status, body } = await client.get('/users/11111111-1111-4111-a111-111111111111/mailFolders/inbox');
    expect(status).toBe(404);
    expect(body.error).toMatchObject({ code: 'ErrorInvalidUser' });
  });

  test('disabled, shared and room mailboxes can be read, though their accounts are disabled', async () => {
    for (const kind of ['disabled', 'shared', 'room'] as const) {
      const { id, accountEnabled } = ofKind(kind);
      expect(accountEnabled).toBe(false);
      expect((await client.get(`/users/${id}/mailFolders/inbox`)).status).toBe(200);
    }
  });

  test('mailboxes counts the readable ones, and special users can be left out', async () => {
    expect(mailboxes.filter(({ readable }) => readable)).toHaveLength(151);
    const plain = await startSimulator({ tenant: { mailboxes: 5, messages: 50, specialUsers: false } });
    try {
      expect(plain.control.truth.summary()).toMatchObject({ users: 5, mailboxes: 5, messages: 50 });
      expect(plain.control.truth.mailboxes().every(({ kind }) => kind === 'user')).toBe(true);
    } finally {
      await plain.close();
    }
  });
});

test('the organization has the tenant id and its domain', async () => {
  const { body } = await client.get('/organization');
  expect(body.value).toMatchObject([{ id: simulator.tenantId, verifiedDomains: [{ name: simulator.domain }] }]);
});

test('answers carry request ids, and what is unknown fails as in Graph', async () => {
  const { headers } = await client.get('/users?$top=1', { 'client-request-id': 'mine-1' });
  expect(headers.get('request-id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(headers.get('client-request-id')).toBe('mine-1');
  expect(headers.get('date')).not.toBeNull();
  const unknown = await client.get('/users/x/calendars', { 'client-request-id': 'mine-2' });
  expect(unknown.status).toBe(400);
  expect(unknown.body.error).toMatchObject({
    code: 'BadRequest',
    message: "Resource not found for the segment 'calendars'.",
    innerError: { 'client-request-id': 'mine-2', 'request-id': unknown.headers.get('request-id') },
  });
  expect((await client.request('PATCH', '/users/x')).status).toBe(405);
});
