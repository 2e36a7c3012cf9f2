import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type FaultRule, type Simulator, startSimulator, type TruthAttachment } from '../../simulator/index.ts';
import { attachmentsAt, bytesAt } from './attachment-bytes.ts';
import { TestClient, textOf } from './client.ts';
import { plainGet } from './plain-get.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: string;
let attachments: TruthAttachment[];

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 1, messages: 5, specialUsers: false } });
  client = new TestClient(simulator);
  mailbox = simulator.control.truth.mailboxes()[0]?.id ?? '';
  const files = [3_000, 6_000_000, 200].map((bytes, seed) => ({ kind: 'file', name: `${seed}.bin`, bytes, seed }));
  const { id } = await client.sim('POST', '/messages', { mailbox, folder: 'inbox', attachments: files });
  attachments = (await simulator.control.attachments.truth.page({ mailbox, message: textOf(id) })).value;
});
afterEach(() => simulator.control.clearFaults());
afterAll(() => simulator.close());

const pathOf = (at?: number) =>
  attachmentsAt(mailbox, attachments[0]?.message, at === undefined ? undefined : attachments[at]?.id);
const one = (at: number) => ({
  mailbox,
  message: textOf(attachments[at]?.message),
  attachment: textOf(attachments[at]?.id),
});

describe('requests for attachments fail by their kind', () => {
  const statuses: [FaultRule['kind'], () => string][] = [
    ['attachments', () => pathOf()],
    ['attachment', () => pathOf(0)],
    ['attachmentValue', () => `${pathOf(0)}/$value`],
  ];

  test.each(statuses)('%s: 429, 503 and 404, and no other kind', async (kind, path) => {
    for (const [status, code] of [
      [429, 'ApplicationThrottled'],
      [503, 'ServiceUnavailable'],
      [404, 'ErrorItemNotFound'],
    ] as const) {
      simulator.control.addFault({ kind: kind as 'attachment', times: 1, effect: { type: 'status', status } });
      for (const [other, otherPath] of statuses) {
        if (other !== kind) expect((await client.get(otherPath())).status).toBe(200);
      }
      const got = await client.get(path());
      expect(got.status).toBe(status);
      expect(got.body.error).toMatchObject({ code });
      expect((await client.get(path())).status).toBe(200);
    }
  });
});

test.each([0, 1])('the connection breaks in the middle of a value, of a small one and of a large one', async (at) => {
  simulator.control.addFault({ kind: 'attachmentValue', times: 1, effect: { type: 'reset', moment: 'during' } });
  const broken = await plainGet(client, `${pathOf(at)}/$value`);
  expect(broken).toMatchObject({ status: 200, error: 'ECONNRESET' });
  expect(await bytesAt(client, `${pathOf(at)}/$value`)).toMatchObject({ sha256: attachments[at]?.sha256 });
});

test.each([0, 1])('a value ends too early and says that it is whole', async (at) => {
  const effect = { type: 'truncate', of: 'any', keep: 0.25 } as const;
  simulator.control.addFault({ kind: 'attachmentValue', times: 1, effect });
  const bytes = Math.floor((attachments[at]?.bytes ?? 0) / 4);
  expect(await bytesAt(client, `${pathOf(at)}/$value`)).toMatchObject({ status: 200, bytes, declared: bytes });
});

test('a large value comes bit by bit', async () => {
  const effect = { type: 'trickle', bytes: 1_000_000, every: 1 } as const;
  simulator.control.addFault({ kind: 'attachmentValue', times: 1, effect });
  expect(await bytesAt(client, `${pathOf(1)}/$value`)).toMatchObject({ sha256: attachments[1]?.sha256 });
});

test('one attachment is meant by its id, and the others are not', async () => {
  simulator.control.addFault({ ...one(0), effect: { type: 'status', status: 404 } });
  expect((await client.get(pathOf(0))).status).toBe(404);
  expect((await client.get(`${pathOf(0)}/$value`)).status).toBe(404);
  expect((await client.get(`${pathOf(1)}/$value`)).status).toBe(200);
  expect((await client.get(pathOf())).status).toBe(200);
});

test('an attachment that cannot be read fails wherever its bytes would be given, and nowhere else', async () => {
  const { id } = simulator.control.addFault({ ...one(0), effect: { type: 'poison' } });
  const message = pathOf().replace('/attachments', '');
  for (const path of [
    pathOf(),
    pathOf(0),
    `${pathOf(0)}/$value`,
    `${message}/$value`,
    `${message}?$expand=attachments`,
  ]) {
    const got = await client.get(path);
    expect([path, got.status]).toEqual([path, 500]);
    expect(got.body.error).toMatchObject({ code: 'ErrorCannotOpenFileAttachment' });
  }
  for (const path of [
    `${pathOf()}?$select=id,name`,
    `${pathOf(0)}?$select=name`,
    pathOf(2),
    `${pathOf(2)}/$value`,
    message,
  ]) {
    expect([path, (await client.get(path)).status]).toEqual([path, 200]);
  }
  simulator.control.removeFault(id);
  simulator.control.addFault({ ...one(0), effect: { type: 'poison', where: 'alone' } });
  expect((await client.get(pathOf())).status).toBe(200);
  expect((await client.get(`${pathOf(0)}/$value`)).status).toBe(500);
});

test('a list comes in pages where a fault wants it to, and in a circle', async () => {
  simulator.control.addFault({ kind: 'attachments', effect: { type: 'ignoreTop', size: 2 } });
  const { items, pages } = await client.all(`${pathOf()}?$select=id`);
  expect(pages).toBe(2);
  expect(items).toHaveLength(3);
  simulator.control.addFault({ kind: 'attachments', times: 1, effect: { type: 'sameLink' } });
  const first = await client.get(pathOf());
  const again = await client.get(textOf(first.body['@odata.nextLink']));
  expect(again.body.value).toEqual(first.body.value);
});

test('a fault of an attachment needs its message', async () => {
  const lonely = client.sim('POST', '/faults', { mailbox, attachment: 'x', effect: { type: 'status', status: 404 } });
  await expect(lonely).rejects.toThrow(/^400 .*'message'/);
  const nowhere = client.sim('POST', '/faults', {
    ...one(0),
    attachment: 'x',
    effect: { type: 'status', status: 404 },
  });
  await expect(nowhere).rejects.toThrow(/^404 /);
});
