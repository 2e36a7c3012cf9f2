import {
  AuthenticationHandler,
  Client,
  type Context,
  PageIterator,
  type PageCollection,
} from '@microsoft/microsoft-graph-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator, type TruthMailbox } from '../../simulator/index.ts';
import { TestClient } from './client.ts';

let simulator: Simulator;
let graph: Client;
let mailbox: TruthMailbox;

/**
 * The client sends its token, and follows absolute links, over https only. So it talks https to a middleware that does
 * what a proxy in front of the simulator would do.
 */
async function sendOverHttp(context: Context): Promise<void> {
  const headers = new Headers(context.options?.headers);
  headers.set('x-forwarded-proto', 'https');
  context.response = await fetch(String(context.request).replace('https:', 'http:'), {
    method: context.options?.method ?? 'GET',
    headers,
  });
}

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 2, messages: 300, specialUsers: false } });
  const token = (await new TestClient(simulator).token()).body.access_token as string;
  const authentication = new AuthenticationHandler({ getAccessToken: async () => token });
  authentication.setNext({ execute: sendOverHttp });
  const baseUrl = simulator.url.replace('http:', 'https:');
  graph = Client.initWithMiddleware({ baseUrl, middleware: authentication, customHosts: new Set(['127.0.0.1']) });
  mailbox = simulator.control.truth.mailboxes()[0] as TruthMailbox;
});
afterAll(() => simulator.close());

test('the real Graph client reads users, folders and one message', async () => {
  const users = (await graph.api('/users').select(['id', 'mail']).top(5).get()) as PageCollection;
  expect(users.value).toHaveLength(2);
  const inbox = (await graph.api(`/users/${mailbox.id}/mailFolders/inbox`).get()) as { id: string };
  expect(inbox.id).toBe(mailbox.folders.find(({ wellKnownName }) => wellKnownName === 'inbox')?.id);
  const [truth] = simulator.control.truth.page({ mailbox: mailbox.id, limit: 1 }).value;
  const message = (await graph
    .api(`/users/${mailbox.id}/messages/${encodeURIComponent(truth?.message.id as string)}`)
    .header('Prefer', 'IdType="ImmutableId"')
    .get()) as Record<string, unknown>;
  expect(message).toMatchObject(truth?.message ?? {});
});

test('its page iterator walks a mailbox over next links', async () => {
  const first = (await graph.api(`/users/${mailbox.id}/messages`).top(40).get()) as PageCollection;
  const seen = new Set<string>();
  const iterator = new PageIterator(graph, first, (message: { id: string }) => seen.add(message.id).size > 0);
  await iterator.iterate();
  expect(seen.size).toBe(mailbox.messages);
});

test('it turns error bodies into its own errors', async () => {
  await expect(graph.api('/users/x/mailFolders').get()).rejects.toMatchObject({
    statusCode: 404,
    code: 'ErrorInvalidUser',
  });
});
