import PostalMime from 'postal-mime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../simulator/index.ts';
import { TestClient } from './client.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: string;
let generated: string;
let odd: string;

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 1, messages: 400, specialUsers: false, oddMessages: true } });
  client = new TestClient(simulator);
  mailbox = simulator.control.truth.mailboxes()[0]?.id ?? '';
  const withSome = [...simulator.control.truth.messages()].filter(({ message }) => message.hasAttachments === true);
  const isOdd = (message: Record<string, unknown>) => String(message.subject).startsWith('Odd one');
  generated = keyOf(withSome.find(({ message }) => !isOdd(message))?.message.id);
  odd = keyOf(withSome.find(({ message }) => isOdd(message))?.message.id);
});
afterAll(() => simulator.close());

const keyOf = (id: unknown) => encodeURIComponent(String(id));
const immutable = { prefer: 'IdType="ImmutableId"' };

test('the list has metadata, and bytes of small files unless $select leaves them out', async () => {
  const { body } = await client.get(`/users/${mailbox}/messages/${generated}/attachments`, immutable);
  expect(body.value.length).toBeGreaterThan(0);
  for (const attachment of body.value) {
    expect(attachment).toMatchObject({ '@odata.type': '#microsoft.graph.fileAttachment', isInline: false });
    expect(attachment.size).toBeGreaterThan(Buffer.from(String(attachment.contentBytes), 'base64').length);
  }
  const select = 'id,name,contentType,size,isInline,lastModifiedDateTime';
  const lean = await client.get(`/users/${mailbox}/messages/${generated}/attachments?$select=${select}`, immutable);
  expect(lean.body.value.map(({ id }) => id)).toEqual(body.value.map(({ id }) => id));
  expect(lean.body.value.every((attachment) => !('contentBytes' in attachment))).toBe(true);
  const derived = await client.get(`/users/${mailbox}/messages/${generated}/attachments?$select=contentBytes`);
  expect(derived.status).toBe(400);
});

test('$value gives the bytes of a file with its type, the same as the metadata promised', async () => {
  const { body } = await client.get(`/users/${mailbox}/messages/${generated}/attachments`, immutable);
  for (const { id, contentBytes, contentType } of body.value) {
    const path = `/users/${mailbox}/messages/${generated}/attachments/${keyOf(id)}`;
    expect((await client.get(path)).body.contentBytes).toBe(contentBytes);
    const { text, headers } = await client.get(`${path}/$value`);
    expect(headers.get('content-type')).toBe(contentType);
    expect(text).toBe(Buffer.from(String(contentBytes), 'base64').toString());
  }
});

test('attached messages and references have no bytes of their own', async () => {
  const { body } = await client.get(`/users/${mailbox}/messages/${odd}/attachments`);
  const types = body.value.map((attachment) => attachment['@odata.type']);
  expect(types).toEqual(['file', 'file', 'item', 'reference'].map((kind) => `#microsoft.graph.${kind}Attachment`));
  const [, , item, reference] = body.value.map(
    ({ id }) => `/users/${mailbox}/messages/${odd}/attachments/${keyOf(id)}`,
  );
  expect((await client.get(String(item))).body).not.toHaveProperty('item');
  const expanded = await client.get(`${item}?$expand=microsoft.graph.itemattachment/item`);
  expect(expanded.body.item).toMatchObject({ id: '', subject: 'The forwarded one' });
  expect((await client.get(`${item}/$value`)).text).toContain('Subject: The forwarded one');
  expect((await client.get(`${reference}/$value`)).status).toBe(405);
});

test('one message can be asked for with its attachments, and unknown ones are 404', async () => {
  const { body } = await client.get(`/users/${mailbox}/messages/${generated}?$expand=attachments`, immutable);
  const list = await client.get(`/users/${mailbox}/messages/${generated}/attachments`, immutable);
  expect(body.attachments).toEqual(list.body.value);
  expect((await client.get(`/users/${mailbox}/messages/${generated}/attachments/AAAA`)).status).toBe(404);
});

test('MIME holds what the message shows, attachments included, and is not given below a folder', async () => {
  for (const key of [generated, odd]) {
    const { body } = await client.get(`/users/${mailbox}/messages/${key}?$expand=attachments`);
    const mime = await client.get(`/users/${mailbox}/messages/${key}/$value`);
    expect(mime.headers.get('content-type')).toBe('text/plain');
    const parsed = await PostalMime.parse(mime.text);
    expect(parsed.subject).toBe(body.subject);
    expect(parsed.messageId).toBe(body.internetMessageId);
    const files = (body.attachments as Record<string, unknown>[]).filter((each) => 'contentBytes' in each);
    for (const { name, contentBytes } of files) {
      const part = parsed.attachments.find(({ filename }) => filename === name);
      expect(Buffer.from(part?.content as ArrayBuffer).toString('base64')).toBe(contentBytes);
    }
    const below = await client.get(
      `/users/${mailbox}/mailFolders/${String(body.parentFolderId)}/messages/${key}/$value`,
    );
    expect(below.status).toBe(405);
  }
});
