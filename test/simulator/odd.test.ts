import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../simulator/index.ts';
import { TestClient, textOf } from './client.ts';

let simulator: Simulator;
let raw: string;
let messages: Record<string, unknown>[];

beforeAll(async () => {
  simulator = await startSimulator({
    tenant: { mailboxes: 1, messages: 100, folders: 1, oddMessages: true, specialUsers: false },
  });
  const [mailbox] = simulator.control.truth.mailboxes();
  const path = `/users/${mailbox?.id}/mailFolders/inbox/messages/delta`;
  const got = await new TestClient(simulator).get(path, { prefer: 'odata.maxpagesize=1000' });
  raw = got.text;
  messages = got.body.value;
});
afterAll(() => simulator.close());

const some = (isWanted: (message: Record<string, unknown>) => boolean) => messages.filter(isWanted).length;

test('every odd kind is among the messages that were asked for', () => {
  expect(messages).toHaveLength(100);
  expect(raw).toContain('NUL\\u0000 in the subject');
  expect(raw).toContain('Half a smile \\ud83d"');
  expect(some(({ receivedDateTime }) => receivedDateTime === '0001-01-01T00:00:00Z')).toBe(1);
  expect(some(({ receivedDateTime }) => receivedDateTime === '9999-12-31T23:59:59Z')).toBe(1);
  expect(some((message) => message.isDraft === true && !('from' in message) && !('sender' in message))).toBe(1);
  expect(some((message) => Object.values(message).filter((value) => value === null).length > 20)).toBe(1);
  expect(some((message) => message['@odata.type'] === '#microsoft.graph.eventMessageRequest')).toBe(1);
  expect(some((message) => 'reactions' in message)).toBe(1);
  expect(some(({ toRecipients }) => (toRecipients as unknown[]).length === 5_000)).toBe(1);
  expect(some(({ subject }) => typeof subject === 'string' && subject.length === 4_000)).toBe(1);
  expect(some(({ internetMessageId }) => internetMessageId === null)).toBeGreaterThanOrEqual(1);
  expect(raw).toContain('/O=HARBOUR/OU=EXCHANGE ADMINISTRATIVE GROUP');
});

test('a few come with ordinary generated mail, and none where they are not wanted', async () => {
  const count = async (oddMessages?: boolean) => {
    const other = await startSimulator({
      tenant: {
        mailboxes: 1,
        messages: 1_000,
        specialUsers: false,
        ...(oddMessages === undefined ? {} : { oddMessages }),
      },
    });
    const all = [...other.control.truth.messages()];
    await other.close();
    return all.filter(({ message }) => String(JSON.stringify(message.internetMessageId)).startsWith('"<odd.')).length;
  };
  expect(await count()).toBeGreaterThan(5);
  expect(await count(false)).toBe(0);
});

test('one that is nothing but nulls keeps them when it is read', async () => {
  const { truth } = simulator.control;
  const nulls = (): Record<string, unknown> =>
    [...truth.messages()].find(({ message }) => message.webLink === null)?.message ?? {};
  const { id, changeKey, '@odata.etag': _, ...kept } = nulls();
  simulator.control.changeMessage({ mailbox: truth.mailboxes()[0]?.id ?? '', id: textOf(id) }, { isRead: true });
  expect(nulls()).toMatchObject({ ...kept, id, isRead: true });
  expect(nulls().changeKey).not.toBe(changeKey);
});
