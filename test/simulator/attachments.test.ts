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
  const refused = await client.get(`${reference}/$value`);
  expect(refused.status).toBe(405);
  expect(String((refused.body.error as { message: string }).message)).toContain('only supported for File Attachments');
});

test('one message can be asked for with its attachments', async () => {
  const { body } = await client.get(`/users/${mailbox}/messages/${generated}?$expand=attachments`, immutable);
  const list = await client.get(`/users/${mailbox}/messages/${generated}/attachments`, immutable);
  expect(body.attachments).toEqual(list.body.value);
});

test('an id that could be one is 404 where there is none, any other 400', async () => {
  const path = `/users/${mailbox}/messages/${generated}/attachments`;
  const { body } = await client.get(path);
  const strange = [String(body.value[0]?.id).replace(/.{4}=$/, 'Z999='), 'A'.repeat(160)];
  for (const id of strange) {
    const got = await client.get(`${path}/${keyOf(id)}`);
    expect(got.status).toBe(404);
    expect(got.body.error).toMatchObject({ code: 'ErrorItemNotFound' });
    expect((await client.get(`${path}/${keyOf(id)}/$value`)).status).toBe(404);
  }
  const other = await client.get(`/users/${mailbox}/messages/${odd}/attachments/${keyOf(body.value[0]?.id)}`);
  expect(other.status).toBe(404);
  const malformed = await client.get(`${path}/AAAA`);
  expect(malformed.status).toBe(400);
  expect(malformed.body.error).toMatchObject({ code: 'ErrorInvalidIdMalformed' });
  expect((await client.request('DELETE', `${path}/${keyOf(body.value[0]?.id)}`)).status).toBe(405);
});

test('the list comes on one page in its order, whatever $top, $skip, $filter and $orderby ask for', async () => {
  const path = `/users/${mailbox}/messages/${odd}/attachments`;
  const { body } = await client.get(path);
  for (const query of ['$top=1', '$skip=2', '$filter=isInline eq true', '$orderby=name desc', '$count=true']) {
    const got = await client.get(`${path}?${query}`);
    expect(got.body.value).toEqual(body.value);
    expect(got.body).not.toHaveProperty('@odata.nextLink');
  }
  expect((await client.get(`${path}?$apply=x`)).status).toBe(400);
});

test('members are selected by the names that the type of the collection knows', async () => {
  const path = `/users/${mailbox}/messages/${odd}/attachments`;
  const qualified = await client.get(`${path}?$select=name,microsoft.graph.fileAttachment/contentId`);
  expect(Object.keys(qualified.body.value[0] ?? {}).filter((name) => !name.includes('@'))).toEqual([
    'id',
    'name',
    'contentId',
  ]);
  const [file] = qualified.body.value;
  for (const name of ['contentId', 'contentBytes', 'colour']) {
    for (const place of [path, `${path}/${keyOf(file?.id)}`]) {
      const got = await client.get(`${place}?$select=${name}`);
      expect(got.status).toBe(400);
      expect(got.body.error).toMatchObject({ code: 'RequestBroker--ParseUri' });
    }
  }
  const message = `/users/${mailbox}/messages/${odd}`;
  const { body } = await client.get(`${message}?$select=id&$expand=attachments($select=id,name)`);
  expect((body.attachments as object[]).map((each) => Object.keys(each).length)).toEqual([4, 4, 3, 3]);
  expect((await client.get(`${message}?$expand=attachments($select=contentId)`)).status).toBe(400);
});

test('a list shows the messages inside where it is asked to, and expands nothing else', async () => {
  const path = `/users/${mailbox}/messages/${odd}/attachments`;
  const { body } = await client.get(`${path}?$expand=microsoft.graph.itemAttachment/item`);
  expect(body.value.map((attachment) => 'item' in attachment)).toEqual([false, false, true, false]);
  const nested = await client.get(
    `${path}?$expand=microsoft.graph.itemattachment/item($expand=microsoft.graph.message/attachments)`,
  );
  expect((nested.body.value[2]?.item as { attachments: unknown[] }).attachments).toEqual([]);
  expect((await client.get(`${path}?$expand=item`)).status).toBe(400);
});

test('attachments are the same below the folder of their message', async () => {
  const message = `/users/${mailbox}/messages/${odd}`;
  const { parentFolderId } = (await client.get(message)).body;
  const below = `/users/${mailbox}/mailFolders/${String(parentFolderId)}/messages/${odd}/attachments`;
  const list = await client.get(below);
  expect(list.body.value).toEqual((await client.get(`${message}/attachments`)).body.value);
  const value = await client.get(`${below}/${keyOf(list.body.value[0]?.id)}/$value`);
  expect(value.text).toContain('%PDF-1.4');
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
