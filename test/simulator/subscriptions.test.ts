import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator, type TruthMailbox } from '../../simulator/index.ts';
import { type Got, TestClient, textOf } from './client.ts';
import { hasOpenApi, OpenApi } from './openapi.ts';
import { Receiver } from './receiver.ts';

let simulator: Simulator;
let client: TestClient;
let receiver: Receiver;
let mailboxes: TruthMailbox[];
let mailbox: TruthMailbox;

beforeEach(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 5, messages: 100 } });
  client = new TestClient(simulator);
  receiver = await Receiver.start();
  mailboxes = simulator.control.truth.mailboxes();
  [mailbox] = mailboxes as [TruthMailbox];
});
afterEach(async () => {
  await simulator.close();
  await receiver.close();
});

const MINUTE = 60_000;
const ahead = (minutes: number) => new Date(Date.now() + minutes * MINUTE).toISOString();
const wanted = (change: object = {}) => ({
  changeType: 'created,updated,deleted',
  notificationUrl: `${receiver.url}/hook`,
  resource: `/users/${mailbox.id}/messages`,
  expirationDateTime: ahead(10_000),
  clientState: 'a secret',
  ...change,
});
const create = (change: object = {}, headers: Record<string, string> = {}) =>
  client.request('POST', '/subscriptions', headers, wanted(change));
const errorOf = ({ status, body }: Got) => [status, (body.error as { code: string }).code, messageOf(body)];
const messageOf = (body: Record<string, unknown>) => (body.error as { message: string }).message;
const minutesLeft = ({ body }: Got) => Math.round((Date.parse(textOf(body.expirationDateTime)) - Date.now()) / MINUTE);

describe('a new subscription', () => {
  test('is answered with 201 and everything that it says of itself', async () => {
    const got = await create({ lifecycleNotificationUrl: `${receiver.url}/lifecycle` });
    expect(got.status).toBe(201);
    expect(got.body).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      applicationId: simulator.clientId,
      resource: `/users/${mailbox.id}/messages`,
      changeType: 'created,updated,deleted',
      clientState: 'a secret',
      notificationUrl: `${receiver.url}/hook`,
      lifecycleNotificationUrl: `${receiver.url}/lifecycle`,
    });
    expect(minutesLeft(got)).toBe(10_000);
  });

  test('is made once both endpoints have proved themselves, each with a request of its own', async () => {
    const url = `${receiver.url}/hook?tenant=7`;
    expect((await create({ notificationUrl: url, lifecycleNotificationUrl: url })).status).toBe(201);
    const asked = receiver.handshakes();
    expect(asked.map(({ path }) => path)).toEqual(['/hook', '/hook']);
    for (const { query, token, headers } of asked) {
      expect(token).toMatch(
        /^Validation: Testing client application reachability for subscription Request-Id: [\w-]+$/,
      );
      expect(query).toMatch(/^\?tenant=7&validationToken=Validation%3a\+Testing\+client/);
      expect(headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'content-length': '0' });
      expect(headers.authorization).toBeUndefined();
    }
  });

  test.each(["mailFolders('inbox')/messages", 'mailFolders/INBOX/messages', 'messages'])(
    'can be for users/{id}/%s, with or without a slash before it',
    async (path) => {
      expect((await create({ resource: `users/${mailbox.userPrincipalName}/${path}` })).status).toBe(201);
      expect(simulator.control.subscriptions.list()).toMatchObject([{ mailboxId: mailbox.id }]);
    },
  );

  test.each([
    ['/me/messages', 400],
    ['/users', 400],
    ['https://graph.microsoft.com/v1.0/users/x/messages', 400],
    ['/users/nobody@nowhere.example/messages', 404],
    ['/users/{own}/mailFolders/nosuchfolder/messages', 400],
    ['/users/{own}/messages?$filter=isRead eq false', 400],
  ])('for %s is refused with %i', async (resource, status) => {
    expect((await create({ resource: resource.replace('{own}', mailbox.id) })).status).toBe(status);
    expect(receiver.came).toEqual([]);
  });

  test.each([
    [{ changeType: 'created,moved' }, 'moved'],
    [{ changeType: undefined }, 'changeType'],
    [{ clientState: 'x'.repeat(129) }, 'clientState'],
    [{ clientState: 7 }, 'clientState'],
    [{ notificationUrl: 'http://quay.example/hook' }, 'https'],
    [{ lifecycleNotificationUrl: 'ftp://127.0.0.1' }, 'https'],
    [{ expirationDateTime: 'tomorrow' }, 'expirationDateTime'],
    [{ expirationDateTime: '2020-01-01T00:00:00Z' }, 'future'],
    [{ includeResourceData: true }, 'encryptionCertificate'],
    [{ includeResourceData: true, encryptionCertificate: 'MII', encryptionCertificateId: 'own' }, 'without resource'],
    [{ notificationUri: 'https://quay.example' }, 'notificationUri'],
  ])('with %j is refused', async (change, word) => {
    const got = await create(change);
    expect(errorOf(got)).toEqual([400, 'InvalidRequest', expect.stringContaining(word)]);
  });

  test('may have a client state of 128 characters', async () => {
    expect((await create({ clientState: 'x'.repeat(128) })).status).toBe(201);
  });

  test('ends within 10,070 minutes, and not before 45', async () => {
    expect(errorOf(await create({ expirationDateTime: ahead(10_071) }))).toEqual([
      400,
      'ExtensionError',
      'Subscription expiration can only be 10070 minutes in the future.',
    ]);
    expect(minutesLeft(await create({ expirationDateTime: ahead(5) }))).toBe(45);
  });

  test('for the same messages and changes as another is refused with the id of that one', async () => {
    const { body } = await create();
    const twin = await create({ changeType: 'deleted,created,updated', resource: `Users('${mailbox.id}')/Messages` });
    expect(errorOf(twin)).toEqual([
      409,
      'Conflict',
      `Subscription Id <${textOf(body.id)}> already exists for the requested combination`,
    ]);
    expect((await create({ changeType: 'created' })).status).toBe(201);
    expect((await create({ resource: `/users/${mailbox.id}/mailFolders/inbox/messages` })).status).toBe(201);
  });

  test('is one of at most 1,000 of its mailbox', async () => {
    expect(simulator.control.notifications.settings().subscriptionsPerMailbox).toBe(1_000);
    simulator.control.notifications.set({ subscriptionsPerMailbox: 2 });
    await create({ changeType: 'created' });
    await create({ changeType: 'updated' });
    expect(errorOf(await create())).toEqual([403, 'Forbidden', expect.stringContaining('limit of 2')]);
    const other = `/users/${mailboxes[1]?.id}/messages`;
    expect((await create({ resource: other })).status).toBe(201);
  });

  test('needs a mailbox that Graph can reach', async () => {
    const resourceOf = (kind: string) => ({
      resource: `/users/${mailboxes.find((each) => each.kind === kind)?.id}/messages`,
    });
    for (const kind of ['guest', 'unlicensed']) {
      expect(errorOf(await create(resourceOf(kind)))).toEqual([
        404,
        'ExtensionError',
        'Operation: Create; Exception: [Status Code: NotFound; Reason: REST API is not yet supported for this mailbox.]',
      ]);
    }
    expect(errorOf(await create(resourceOf('denied')))).toEqual([
      403,
      'ExtensionError',
      expect.stringContaining('Status Code: Forbidden; Reason: Access to OData is disabled'),
    ]);
    expect(receiver.came).toEqual([]);
  });

  test('needs the permission to read mail', async () => {
    simulator.control.changeTenant({ roles: ['User.Read.All'] });
    expect((await create()).status).toBe(403);
    simulator.control.changeTenant({ roles: ['Mail.ReadWrite'] });
    client.forgetToken();
    expect((await create()).status).toBe(201);
  });

  test('can be refused by a fault, of one mailbox only', async () => {
    const fault = { kind: 'subscriptions', mailbox: mailbox.id, effect: { type: 'status', status: 403 } };
    await client.sim('POST', '/faults', fault);
    expect((await create()).status).toBe(403);
    expect((await create({ resource: `/users/${mailboxes[1]?.id}/messages` })).status).toBe(201);
    simulator.control.clearFaults();
    simulator.control.addFault({ mailbox: mailbox.id, effect: { type: 'mailbox', state: 'moving' } });
    expect(errorOf(await create())).toEqual([503, 'ExtensionError', expect.stringContaining('ServiceUnavailable')]);
    expect(simulator.control.stats().byKind).toMatchObject({ subscriptions: 3 });
  });
});

describe('an endpoint that does not prove itself', () => {
  const BEGIN = 'Subscription validation request failed.';
  const MUST = 'Notification endpoint must respond with 200 OK to validation request.';

  test.each([
    ['another status', 403, 'text/plain', undefined, `${BEGIN} HTTP status code is 'Forbidden'. ${MUST}`],
    ['202', 202, 'text/plain', undefined, `${BEGIN} HTTP status code is 'Accepted'. ${MUST}`],
    ['another text', 200, 'text/plain', 'yes', `${BEGIN} Response must exactly match validationToken query parameter.`],
    [
      'another type',
      200,
      'text/html',
      undefined,
      `${BEGIN} Response must exactly match validationToken query parameter.`,
    ],
  ])('with %s gets no subscription', async (_what, status, type, text, message) => {
    receiver.answering = ({ token }, response) => {
      response.writeHead(status, { 'content-type': type }).end(text ?? token);
      return true;
    };
    expect(errorOf(await create())).toEqual([400, 'ValidationError', message]);
    expect(simulator.control.subscriptions.list()).toEqual([]);
  });

  test('because it gives the token back encoded gets none', async () => {
    receiver.answering = ({ query }, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).end(query.slice('?validationToken='.length));
      return true;
    };
    expect(messageOf((await create()).body)).toContain('exactly match');
  });

  test('in time gets none: it has 10 seconds', async () => {
    expect(simulator.control.notifications.settings().validationTimeoutMs).toBe(10_000);
    simulator.control.notifications.set({ validationTimeoutMs: 50 });
    receiver.answering = () => true;
    expect(messageOf((await create()).body)).toBe('Subscription validation request timed out.');
  });

  test('because nobody is there gets none', async () => {
    await receiver.close();
    expect(messageOf((await create()).body)).toBe(`${BEGIN} ${MUST}`);
  });

  test('for lifecycle notifications only gets none, either', async () => {
    receiver.answering = ({ path }, response) => path === '/lifecycle' && Boolean(response.writeHead(500).end());
    const got = await create({ lifecycleNotificationUrl: `${receiver.url}/lifecycle` });
    expect(messageOf(got.body)).toContain("'InternalServerError'");
    expect(simulator.control.subscriptions.list()).toEqual([]);
  });
});

describe('a subscription that is there', () => {
  test('is listed by pages, and read, renewed, reauthorized and deleted by its id', async () => {
    const { body } = await create();
    const path = `/subscriptions/${textOf(body.id)}`;
    expect((await client.get(path)).body).toMatchObject({ id: body.id, clientState: 'a secret' });
    expect((await client.get('/subscriptions')).body.value).toMatchObject([{ id: body.id }]);
    const renewed = await client.request('PATCH', path, {}, { expirationDateTime: ahead(100) });
    expect([renewed.status, minutesLeft(renewed)]).toEqual([200, 100]);
    const tooLong = await client.request('PATCH', path, {}, { expirationDateTime: ahead(20_000) });
    expect(errorOf(tooLong)).toEqual([400, 'ExtensionError', expect.stringContaining('10070 minutes')]);
    expect((await client.request('POST', `${path}/reauthorize`)).status).toBe(204);
    expect((await client.request('PUT', path)).status).toBe(405);
    expect((await client.request('DELETE', path)).status).toBe(204);
    expect(simulator.control.subscriptions.list()).toEqual([]);
  });

  test('is one of many, a hundred to a page', async () => {
    const folders = mailboxes.flatMap(({ id, folders }) => folders.map((folder) => ({ id, folder })));
    const some = folders.filter(({ folder }) => folder.inTree).slice(0, 105);
    for (const { id, folder } of some) {
      const got = await create({ resource: `/users/${id}/mailFolders/${folder.id}/messages` });
      expect(got.status).toBe(201);
    }
    const all = await client.all('/subscriptions');
    expect([some.length, all.pages, new Set(all.items.map(({ id }) => id)).size]).toEqual([105, 2, 105]);
  });

  test('cannot be given another endpoint, or one for its lifecycle', async () => {
    const { body } = await create();
    const path = `/subscriptions/${textOf(body.id)}`;
    const later = { expirationDateTime: ahead(100), lifecycleNotificationUrl: `${receiver.url}/lifecycle` };
    const got = await client.request('PATCH', path, {}, later);
    expect(errorOf(got)).toEqual([400, 'InvalidRequest', expect.stringContaining('lifecycleNotificationUrl')]);
  });

  test('is gone once it is deleted or has expired, whatever is asked of it', async () => {
    const missing = async (id: string) => {
      const path = `/subscriptions/${id}`;
      const answers = [
        await client.get(path),
        await client.request('PATCH', path, {}, { expirationDateTime: ahead(100) }),
        await client.request('DELETE', path),
        await client.request('POST', `${path}/reauthorize`),
      ];
      for (const got of answers) expect(errorOf(got).slice(0, 2)).toEqual([404, 'ResourceNotFound']);
    };
    const deleted = textOf((await create()).body.id);
    await client.request('DELETE', `/subscriptions/${deleted}`);
    await missing(deleted);
    const ended = textOf((await create()).body.id);
    expect(await client.sim('POST', '/subscriptions/expire', { mailboxId: mailbox.id })).toEqual({ expired: 1 });
    await missing(ended);
    expect((await create()).status).toBe(201);
  });

  test('expires by the clock, which can be made to run faster', async () => {
    await client.sim('PUT', '/notifications', { lifetimeScale: 0.000_000_5 });
    const got = await create();
    const path = `/subscriptions/${textOf(got.body.id)}`;
    expect(Date.parse(textOf(got.body.expirationDateTime)) - Date.now()).toBeLessThan(301);
    await expect.poll(async () => (await client.get(path)).status).toBe(404);
    expect((await client.get('/subscriptions')).body.value).toEqual([]);
  });

  test('can be made and renewed inside a batch', async () => {
    const step = (id: string, method: string, url: string, body?: object) => ({ id, method, url, body });
    const batch = async (steps: object[]) =>
      (await client.request('POST', '/$batch', {}, { requests: steps })).body.responses as {
        status: number;
        body: { id: string };
      }[];
    const [made] = await batch([step('1', 'POST', '/subscriptions', wanted())]);
    expect(made).toMatchObject({ status: 201, body: { clientState: 'a secret' } });
    const path = `/subscriptions/${made?.body.id}`;
    expect(await batch([step('1', 'PATCH', path, { expirationDateTime: ahead(90) })])).toMatchObject([{ status: 200 }]);
    const [gone] = await batch([step('1', 'DELETE', path)]);
    expect(gone).toEqual({ id: '1', status: 204, headers: expect.anything() as object });
  });
});

test.skipIf(!hasOpenApi)("every body holds against Graph's published description", async () => {
  const api = new OpenApi();
  const check = (path: string, got: Got, method: 'get' | 'post' | 'patch' = 'get') =>
    expect(api.faultsOf(path, got.status, got.body, method)).toEqual([]);
  const made = await create({ lifecycleNotificationUrl: `${receiver.url}/lifecycle` });
  const path = `/subscriptions/${textOf(made.body.id)}`;
  check('/subscriptions', made, 'post');
  check('/subscriptions', await create(), 'post');
  check('/subscriptions', await create({ expirationDateTime: ahead(20_000) }), 'post');
  check('/subscriptions', await client.get('/subscriptions'));
  check('/subscriptions/{subscription-id}', await client.get(path));
  const renewed = await client.request('PATCH', path, {}, { expirationDateTime: ahead(100) });
  check('/subscriptions/{subscription-id}', renewed, 'patch');
  check('/subscriptions/{subscription-id}', await client.get('/subscriptions/none'));
});
