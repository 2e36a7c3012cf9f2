import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator, type TruthAttachment } from '../../simulator/index.ts';
import { attachmentsAt, bytesAt } from './attachment-bytes.ts';
import { TestClient } from './client.ts';

const PIXEL = Buffer.from('89504e470d0a1a0a00010203', 'hex');
const INNER = [
  'Subject: Inner',
  'Content-Type: multipart/mixed; boundary=in',
  '',
  '--in',
  'Content-Type: text/plain',
  '',
  'Look inside.',
  '--in',
  'Content-Type: application/pdf',
  'Content-Disposition: attachment; filename="deep.pdf"',
  '',
  '%PDF-deep',
  '--in--',
  '',
].join('\r\n');
const OUTER = [
  'From: Ann <ann@tide.example>',
  'Subject: Outer',
  'Content-Type: multipart/mixed; boundary=out',
  '',
  '--out',
  'Content-Type: text/html',
  '',
  '<img src="cid:pixel@tide">',
  '--out',
  'Content-Type: image/png; name="pixel.png"',
  'Content-Disposition: inline; filename="pixel.png"',
  'Content-ID: <pixel@tide>',
  'Content-Transfer-Encoding: base64',
  '',
  PIXEL.toString('base64'),
  '--out',
  'Content-Type: message/rfc822',
  'Content-Disposition: attachment; filename="inner.eml"',
  '',
  INNER,
  '--out--',
  '',
].join('\r\n');

let folder: string;
let simulator: Simulator;
let client: TestClient;
let attachments: TruthAttachment[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-attached-'));
  await writeFile(join(folder, 'outer.eml'), OUTER);
  simulator = await startSimulator({ tenant: { mailFolder: folder, mailboxes: 1, specialUsers: false } });
  client = new TestClient(simulator);
  attachments = (await simulator.control.attachments.truth.page()).value;
});
afterAll(async () => {
  await simulator.close();
  await rm(folder, { recursive: true });
});

test('mail from a file has the attachments that stand in it, byte for byte', async () => {
  expect(attachments).toMatchObject([
    { kind: 'file', name: 'pixel.png', isInline: true, contentId: 'pixel@tide', bytes: PIXEL.length },
    { kind: 'item', name: 'inner.eml', isInline: false },
  ]);
  expect(attachments[0]?.sha256).toBe(createHash('sha256').update(PIXEL).digest('hex'));
  for (const { mailbox, message, id, sha256 } of attachments) {
    expect(await bytesAt(client, `${attachmentsAt(mailbox, message, id)}/$value`)).toMatchObject({ sha256 });
  }
});

test('a message inside of it shows its own attachments', async () => {
  const { mailbox = '', message, id } = attachments[1] ?? {};
  const expand = '$expand=microsoft.graph.itemattachment/item($expand=microsoft.graph.message/attachments)';
  const { body } = await client.get(`${attachmentsAt(mailbox, message, id)}?${expand}`);
  expect(body.item).toMatchObject({
    subject: 'Inner',
    attachments: [
      { '@odata.type': '#microsoft.graph.fileAttachment', name: 'deep.pdf', contentType: 'application/pdf' },
    ],
  });
});

test('its MIME text is the file, until its attachments change', async () => {
  const { mailbox = '', message = '', id = '' } = attachments[0] ?? {};
  const value = `/users/${mailbox}/messages/${encodeURIComponent(message)}/$value`;
  expect((await client.get(value)).text).toBe(OUTER);
  simulator.control.changeMessage({ mailbox, id: message }, { isRead: true });
  expect((await client.get(value)).text).toBe(OUTER);
  simulator.control.attachments.remove({ mailbox, id: message, attachment: id });
  const composed = (await client.get(value)).text;
  expect(composed).not.toContain('pixel.png');
  expect(composed).toContain('Subject: Inner');
});
