import { createHash } from 'node:crypto';
import PostalMime from 'postal-mime';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type AttachmentOptions,
  type Simulator,
  startSimulator,
  type TenantOptions,
  type TruthAttachment,
} from '../../simulator/index.ts';
import { attachmentsAt, bytesAt } from './attachment-bytes.ts';
import { TestClient, textOf } from './client.ts';
import { hasOpenApi, OpenApi } from './openapi.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: string;
afterEach(() => simulator.close());

const EVERY_KIND: AttachmentOptions = { share: 0.6, most: 4, bytes: 3_000, inlineShare: 0.3, itemShare: 0.2, referenceShare: 0.1, oddShare: 0.3 }; // prettier-ignore
const immutable = { prefer: 'IdType="ImmutableId"' };

async function start(attachments: AttachmentOptions, tenant: TenantOptions = {}): Promise<TruthAttachment[]> {
  simulator = await startSimulator({
    tenant: { mailboxes: 1, messages: 300, specialUsers: false, oddMessages: false, attachments, ...tenant },
  });
  client = new TestClient(simulator);
  mailbox = simulator.control.truth.mailboxes()[0]?.id ?? '';
  return truth();
}

async function truth(): Promise<TruthAttachment[]> {
  const all: TruthAttachment[] = [];
  for await (const attachment of simulator.control.attachments.truth.all()) all.push(attachment);
  return all;
}

function messagesOf(all: readonly TruthAttachment[]): Map<string, TruthAttachment[]> {
  const messages = new Map<string, TruthAttachment[]>();
  for (const attachment of all)
    messages.set(attachment.message, [...(messages.get(attachment.message) ?? []), attachment]);
  return messages;
}

describe('attachments that the options of the tenant ask for', { timeout: 60_000 }, () => {
  test('come of every kind, in about the shares that were asked for, and the same again for the same seed', async () => {
    const all = await start(EVERY_KIND);
    const share = (isMeant: (attachment: TruthAttachment) => boolean) => all.filter(isMeant).length / all.length;
    expect(messagesOf(all).size / 300).toBeCloseTo(0.6, 1);
    expect(share(({ isInline }) => isInline)).toBeCloseTo(0.3, 1);
    expect(share(({ kind }) => kind === 'item')).toBeCloseTo(0.2, 1);
    expect(share(({ kind }) => kind === 'reference')).toBeCloseTo(0.1, 1);
    await simulator.close();
    expect(await start(EVERY_KIND)).toEqual(all);
    await simulator.close();
    expect(await start(EVERY_KIND, { seed: 2 })).not.toEqual(all);
  });

  test('are none where the share is 0, and in every message where it is 1', async () => {
    expect(await start({ share: 0 })).toEqual([]);
    await simulator.close();
    expect(messagesOf(await start({ share: 1, most: 1, bytes: 100 })).size).toBe(300);
    const flags = [...simulator.control.truth.messages()].map(({ message }) => message.hasAttachments);
    expect(new Set(flags)).toEqual(new Set([true]));
  });

  test('are listed with what the ground truth says, and their values have its bytes', async () => {
    const all = await start(EVERY_KIND, { messages: 60 });
    for (const [message, expected] of messagesOf(all)) {
      const { body } = await client.get(attachmentsAt(mailbox, message), immutable);
      expect(body.value.map(({ id, name, size, contentType, isInline }) => ({ id, name, size, contentType, isInline }))).toEqual(
        expected.map(({ id, name, size, contentType, isInline }) => ({ id, name, size, contentType, isInline })),
      ); // prettier-ignore
      for (const { id, kind, contentType, bytes, sha256 } of expected) {
        const value = await bytesAt(client, `${attachmentsAt(mailbox, message, id)}/$value`);
        if (kind === 'reference') {
          expect(value.status).toBe(405);
          continue;
        }
        expect(value).toMatchObject({ status: 200, bytes, declared: bytes, sha256 });
        expect(value.contentType).toBe(kind === 'item' ? 'text/plain' : contentType);
        const listed = body.value.find((each) => each.id === id)?.contentBytes;
        if (kind === 'file') expect(hashOf(Buffer.from(textOf(listed), 'base64'))).toBe(sha256);
        else expect(listed).toBeUndefined();
      }
    }
  });

  test('do not show in hasAttachments where they are pictures in the body, which names them', async () => {
    const all = await start({ ...EVERY_KIND, inlineShare: 0.6 });
    const byMessage = messagesOf(all);
    let onlyPictures = 0;
    for (const { message } of simulator.control.truth.messages()) {
      const own = byMessage.get(textOf(message.id)) ?? [];
      expect(message.hasAttachments).toBe(own.some(({ isInline }) => !isInline));
      if (own.length > 0 && message.hasAttachments === false) onlyPictures++;
      const html = textOf((message.body as { content: string }).content);
      for (const { isInline, contentId } of own) if (isInline) expect(html).toContain(`src="cid:${contentId}"`);
    }
    expect(onlyPictures).toBeGreaterThan(10);
    const contents = new Set(all.filter(({ isInline }) => isInline).map(({ sha256 }) => sha256));
    expect(contents.size).toBeLessThanOrEqual(8);
  });

  test('have names that a careless reader stumbles over', async () => {
    const all = await start({ ...EVERY_KIND, oddShare: 1 }, { messages: 400 });
    const names = new Set(all.map(({ name }) => name));
    expect(names).toContain('../../../etc/passwd');
    expect(names).toContain(null);
    expect([...names].some((name) => name?.includes('\u0000') === true)).toBe(true);
    expect([...names].some((name) => name?.length === 10_000)).toBe(true);
    expect([...names].some((name) => name?.includes('колонна') === true)).toBe(true);
    const seen = new Set<unknown>();
    for (const message of messagesOf(all).keys()) {
      const { body } = await client.get(`${attachmentsAt(mailbox, message)}?$select=name`);
      for (const { name } of body.value) seen.add(name);
    }
    expect(seen).toEqual(names);
  });

  test('are messages with files and messages inside, all the way down', async () => {
    const all = await start({ share: 1, most: 2, bytes: 500, itemShare: 1, oddShare: 0 }, { messages: 60 });
    const expand = 'microsoft.graph.itemattachment/item';
    const below = `${expand}($expand=microsoft.graph.message/attachments($expand=${expand}($expand=microsoft.graph.message/attachments)))`;
    let deep = 0;
    for (const { message, id } of all) {
      const path = attachmentsAt(mailbox, message, id);
      const { body } = await client.get(`${path}?$expand=${below}`);
      const item = body.item as { subject: string; attachments: Record<string, unknown>[] };
      const parsed = await PostalMime.parse((await client.get(`${path}/$value`)).text, {
        forceRfc822Attachments: true,
      });
      expect(parsed.subject).toBe(item.subject);
      expect(parsed.attachments.map(({ filename }) => filename)).toEqual(item.attachments.map(({ name }) => name));
      for (const inside of item.attachments) if ('item' in inside) deep++;
    }
    expect(deep).toBeGreaterThan(2);
  });

  test('are all in the MIME text of their message', async () => {
    const all = await start({ ...EVERY_KIND, oddShare: 0 }, { messages: 40 });
    for (const [message, expected] of messagesOf(all)) {
      const mime = await client.get(`/users/${mailbox}/messages/${encodeURIComponent(message)}/$value`);
      const parsed = await PostalMime.parse(mime.text, {
        attachmentEncoding: 'arraybuffer',
        forceRfc822Attachments: true,
      });
      expect(parsed.attachments.map(({ filename }) => filename)).toEqual(expected.map(({ name }) => name));
      for (const [index, { kind, sha256 }] of expected.entries()) {
        const content = parsed.attachments[index]?.content as ArrayBuffer;
        if (kind === 'file') expect(hashOf(Buffer.from(content))).toBe(sha256);
      }
    }
  });

  test('follow a message that moves: its immutable ids stay, the others are new', async () => {
    const [first] = await start({ share: 1, most: 1, bytes: 100 });
    const { message, id, sha256 } = first as TruthAttachment;
    const before = await client.get(attachmentsAt(mailbox, message));
    const moved = simulator.control.moveMessage({ mailbox, id: message }, 'drafts');
    const after = await client.get(attachmentsAt(mailbox, message));
    expect(after.body.value[0]?.id).not.toBe(before.body.value[0]?.id);
    const old = `${attachmentsAt(mailbox, message, before.body.value[0]?.id)}/$value`;
    expect((await client.get(old)).body.error).toMatchObject({ code: 'ErrorItemNotFound' });
    expect(await bytesAt(client, `${attachmentsAt(mailbox, moved.id, id)}/$value`)).toMatchObject({ sha256 });
  });

  test.each([{ share: 2 }, { bytes: -1 }, { most: 0 }, { inlineShare: 0.6, itemShare: 0.6 }])(
    'are refused where an option is out of range: %o',
    async (options) => {
      const started = startSimulator({ tenant: { mailboxes: 1, attachments: options } });
      await expect(started).rejects.toThrow(/^The option attachments\.\w+ must be /);
      simulator = await startSimulator({ tenant: { mailboxes: 1 } });
    },
  );
});

describe('a file of 150 MB', { timeout: 120_000 }, () => {
  test('stands in no list, and is sent and hashed without being held', async () => {
    const [huge] = await start({ share: 1, most: 1, hugeShare: 1 }, { messages: 1 });
    expect(huge).toMatchObject({ kind: 'file', bytes: 150_000_000 });
    const { message, id, sha256, size } = huge as TruthAttachment;
    expect(size).toBeGreaterThan(150_000_000);
    const { body } = await client.get(attachmentsAt(mailbox, message));
    expect(body.value[0]).toMatchObject({ size });
    expect(body.value[0]).not.toHaveProperty('contentBytes');
    let peak = 0;
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().arrayBuffers)), 5);
    const before = process.memoryUsage().arrayBuffers;
    const value = await bytesAt(client, `${attachmentsAt(mailbox, message, id)}/$value`);
    expect(value).toMatchObject({ status: 200, bytes: 150_000_000, declared: 150_000_000, sha256 });
    const alone = await bytesAt(client, attachmentsAt(mailbox, message, id));
    expect(alone.bytes).toBeGreaterThan(200_000_000);
    expect(alone.bytes).toBe(alone.declared);
    const mime = await bytesAt(client, `/users/${mailbox}/messages/${encodeURIComponent(message)}/$value`);
    expect(mime.bytes).toBe(mime.declared);
    clearInterval(watch);
    expect(peak - before).toBeLessThan(64 << 20);
  });
});

describe.skipIf(!hasOpenApi)("against Graph's published description", () => {
  test('lists and single attachments hold, odd names and messages inside included', async () => {
    const api = new OpenApi();
    const all = await start(EVERY_KIND, { messages: 100 });
    const at = '/users/{user-id}/messages/{message-id}/attachments';
    for (const [message, [first]] of messagesOf(all)) {
      for (const query of ['', '?$expand=microsoft.graph.itemattachment/item', '?$select=name,size']) {
        const list = await client.get(`${attachmentsAt(mailbox, message)}${query}`);
        expect(api.faultsOf(at, list.status, list.body)).toEqual([]);
      }
      const path = attachmentsAt(mailbox, message, first?.id);
      const one = await client.get(
        `${path}?$expand=microsoft.graph.itemattachment/item($expand=microsoft.graph.message/attachments)`,
      );
      expect(api.faultsOf(`${at}/{attachment-id}`, one.status, one.body)).toEqual([]);
      const missing = await client.get(`${path.slice(0, -10)}Z999%3D`);
      expect(api.faultsOf(`${at}/{attachment-id}`, missing.status, missing.body)).toEqual([]);
    }
  });
});

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
