import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GeneratedContent, type Simulator, startSimulator, type TruthAttachment } from '../../simulator/index.ts';
import { attachmentsAt, bytesAt } from './attachment-bytes.ts';
import { TestClient, textOf } from './client.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: string;
const immutable = { prefer: 'IdType="ImmutableId"' };
const note = { name: 'note.txt', contentType: 'text/plain', isInline: false } as const;

beforeAll(async () => {
  simulator = await startSimulator({
    tenant: {
      mailboxes: 1,
      messages: 20,
      folders: 1,
      specialUsers: false,
      oddMessages: false,
      attachments: { share: 0 },
    },
  });
  client = new TestClient(simulator);
  mailbox = simulator.control.truth.mailboxes()[0]?.id ?? '';
});
afterAll(() => simulator.close());

interface Page {
  value: TruthAttachment[];
  next: string | null;
}

const listOf = async (message: string) => (await client.get(attachmentsAt(mailbox, message), immutable)).body.value;
const textBytes = (text: string) => Buffer.from(text).toString('base64');

async function newMessage(attachments: object[] = []): Promise<string> {
  return textOf((await client.sim('POST', '/messages', { mailbox, folder: 'inbox', attachments })).id);
}

test('a message arrives with the attachments that it is given, of every kind', async () => {
  const message = await newMessage([
    { kind: 'file', name: 'a.txt', contentType: 'text/plain', contentBytes: textBytes('first') },
    { kind: 'file', name: 'b.bin', bytes: 5_000, seed: 3 },
    { kind: 'item', name: 'The inner one', item: { subject: 'Inner' } },
    { kind: 'reference', name: 'Sheet.xlsx', size: 1_234 },
  ]);
  expect((await listOf(message)).map(({ name, size }) => [name, size])).toEqual([
    ['a.txt', 173],
    ['b.bin', 5_168],
    ['The inner one', expect.any(Number)],
    ['Sheet.xlsx', 1_234],
  ]);
  const { value } = await client.sim<{ value: TruthAttachment[] }>(
    'GET',
    `/truth/attachments?mailbox=${mailbox}&message=${encodeURIComponent(message)}`,
  );
  expect(value.map(({ kind, bytes }) => [kind, kind === 'item' ? null : bytes])).toEqual([
    ['file', 5],
    ['file', 5_000],
    ['item', null],
    ['reference', null],
  ]);
  expect(value[0]?.sha256).toBe(createHash('sha256').update('first').digest('hex'));
  const inner = await client.get(`${attachmentsAt(mailbox, message, value[2]?.id)}/$value`);
  expect(inner.text).toContain('Subject: Inner');
});

test('an attachment is added, replaced and taken away, and the others keep their ids', async () => {
  const message = await newMessage([{ kind: 'file', name: 'first.txt', contentBytes: textBytes('1') }]);
  const ref = { mailbox, id: message };
  const [first] = await listOf(message);
  const added = await client.sim('POST', '/attachments', {
    ...ref,
    with: { kind: 'file', ...note, contentBytes: textBytes('2') },
  });
  expect((await listOf(message)).map(({ id }) => id)).toEqual([first?.id, added.id]);
  await client.sim('PUT', '/attachments', {
    ...ref,
    attachment: added.id,
    with: { kind: 'file', ...note, contentBytes: textBytes('another') },
  });
  expect((await client.get(`${attachmentsAt(mailbox, message, added.id)}/$value`)).text).toBe('another');
  await client.sim('DELETE', '/attachments', { ...ref, attachment: first?.id });
  expect((await listOf(message)).map(({ id }) => id)).toEqual([added.id]);
  await client.sim('DELETE', '/attachments', { ...ref, attachment: added.id });
  expect(await listOf(message)).toEqual([]);
  const later = await client.sim('POST', '/attachments', { ...ref, with: { kind: 'reference', ...note } });
  expect([first?.id, added.id]).not.toContain(later.id);
  expect((await client.get(attachmentsAt(mailbox, message, added.id))).status).toBe(404);
});

test('a change of attachments is one of the message, of which delta tells', async () => {
  const message = await newMessage();
  const folder = `/users/${mailbox}/mailFolders/inbox/messages/delta?$select=hasAttachments,lastModifiedDateTime`;
  const all = { prefer: 'IdType="ImmutableId", odata.maxpagesize=1000' };
  const first = await client.get(folder, all);
  const { control } = simulator;
  const content = new GeneratedContent(1, 40);
  control.attachments.add({ mailbox, id: message }, { kind: 'file', ...note, isInline: true, contentId: 'x', content });
  const picture = await client.get(textOf(first.body['@odata.deltaLink']), all);
  expect(picture.body.value).toMatchObject([{ id: message, hasAttachments: false }]);
  control.attachments.add({ mailbox, id: message }, { kind: 'file', ...note, contentId: null, content });
  const file = await client.get(textOf(picture.body['@odata.deltaLink']), all);
  expect(file.body.value).toMatchObject([{ id: message, hasAttachments: true }]);
});

test('the ground truth comes by pages, and as lines', async () => {
  const whole = await client.sim<Page>('GET', '/truth/attachments');
  expect(whole.next).toBeNull();
  const pages: TruthAttachment[] = [];
  for (let after: string | null = ''; after !== null;) {
    const query: string = after === '' ? 'limit=3' : `limit=3&after=${after}`;
    const page: Page = await client.sim<Page>('GET', `/truth/attachments?${query}`);
    pages.push(...page.value);
    after = page.next;
  }
  expect(pages).toEqual(whole.value);
  const lines = await (await fetch(`${simulator.url}/_sim/truth/attachments.ndjson?mailbox=${mailbox}`)).text();
  expect(lines.trimEnd().split('\n').map((line) => JSON.parse(line) as unknown)).toEqual(whole.value); // prettier-ignore
});

test('an attachment that is none is refused, and so is what is not there', async () => {
  const message = await newMessage();
  const ref = { mailbox, id: message };
  const wrong = client.sim('POST', '/attachments', { ...ref, with: { kind: 'file', name: 'x', colour: 'red' } });
  await expect(wrong).rejects.toThrow(/^400 .*colour/);
  const missing = client.sim('DELETE', '/attachments', { ...ref, attachment: 'A'.repeat(160) });
  await expect(missing).rejects.toThrow(/^404 .*no attachment/);
});

test('a large file is added by its seed and its length alone', async () => {
  const message = await newMessage([{ kind: 'file', name: 'large.bin', bytes: 20_000_000, seed: 9 }]);
  const [large] = await listOf(message);
  expect(large).not.toHaveProperty('contentBytes');
  const value = await bytesAt(client, `${attachmentsAt(mailbox, message, large?.id)}/$value`);
  const { value: truth } = await simulator.control.attachments.truth.page({ mailbox, message });
  expect(value).toMatchObject({ bytes: 20_000_000, contentType: 'application/octet-stream', sha256: truth[0]?.sha256 });
});
