import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../simulator/index.ts';
import { TestClient, textOf } from './client.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: string;

const IMMUTABLE = { prefer: 'IdType="ImmutableId"' };

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 1, messages: 20, specialUsers: false } });
  client = new TestClient(simulator);
  mailbox = simulator.control.truth.mailboxes()[0]?.id ?? '';
});
afterAll(() => simulator.close());

const arrive = () => encodeURIComponent(simulator.control.addMessage({ mailbox, folder: 'inbox' }).id);
const patch = (id: string, body: object) =>
  client.request('PATCH', `/users/${mailbox}/messages/${id}`, IMMUTABLE, body);
const consent = (...roles: ('Mail.Read' | 'Mail.ReadWrite')[]) => {
  simulator.control.changeTenant({ roles });
  client.forgetToken();
};

test('to mark a message as read needs Mail.ReadWrite', async () => {
  consent('Mail.Read');
  const got = await patch(arrive(), { isRead: true });
  expect([got.status, got.body.error]).toMatchObject([403, { code: 'ErrorAccessDenied' }]);
});

test('a message that is marked has another change key, and delta tells', async () => {
  consent('Mail.ReadWrite');
  const id = arrive();
  const path = `/users/${mailbox}/mailFolders/inbox/messages/delta`;
  const { last } = await client.all(path, IMMUTABLE);
  const before = (await client.get(`/users/${mailbox}/messages/${id}`, IMMUTABLE)).body;
  const { status, body } = await patch(id, { isRead: true });
  expect([status, body.isRead, body.id]).toEqual([200, true, decodeURIComponent(id)]);
  expect(body.changeKey).not.toBe(before.changeKey);
  const told = await client.get(textOf(last['@odata.deltaLink']), IMMUTABLE);
  expect(told.body.value).toMatchObject([{ id: body.id, isRead: true, '@odata.etag': body['@odata.etag'] }]);
  expect((await patch(id, { isRead: true })).body.changeKey).toBe(body.changeKey);
});

test('messages can be marked inside a batch, each with its own answer', async () => {
  consent('Mail.ReadWrite');
  const step = (id: string, message: string) => ({
    id,
    method: 'PATCH',
    url: `/users/${mailbox}/messages/${message}`,
    headers: { 'content-type': 'application/json', ...IMMUTABLE },
    body: { isRead: true },
  });
  const gone = `${arrive().slice(0, -14)}AAAAAAAAA%3D`;
  const requests = [step('1', arrive()), step('2', gone), step('3', arrive())];
  const { body } = await client.request('POST', '/$batch', {}, { requests });
  const statuses = (body.responses as { id: string; status: number }[]).map(({ id, status }) => [id, status]);
  expect(statuses.sort()).toEqual([
    ['1', 200],
    ['2', expect.any(Number) as number],
    ['3', 200],
  ]);
  expect(statuses[1]?.[1]).toBeGreaterThanOrEqual(400);
});

test('nothing else of a message can be changed', async () => {
  consent('Mail.ReadWrite');
  const id = arrive();
  for (const body of [{ subject: 'Other' }, { isRead: 'yes' }, {}]) expect((await patch(id, body)).status).toBe(400);
  expect((await client.request('DELETE', `/users/${mailbox}/messages/${id}`)).status).toBe(405);
});
