import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator, type TruthMailbox, type TruthMessage } from '../../simulator/index.ts';
import { TestClient, textOf } from './client.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: TruthMailbox;
let truth: TruthMessage[];
const immutable = { prefer: 'IdType="ImmutableId"' };

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 3, messagesPerMailbox: 1_500 } });
  client = new TestClient(simulator);
  mailbox = simulator.control.truth.mailboxes()[0] as TruthMailbox;
  truth = [...simulator.control.truth.messages({ mailbox: mailbox.id })];
});
afterAll(() => simulator.close());

const received = (message: Record<string, unknown>) => textOf(message.receivedDateTime ?? '');
const keyOf = (message: Record<string, unknown> | undefined) => encodeURIComponent(textOf(message?.id));
const code = (got: { body: Record<string, unknown> }) => (got.body.error as { code: string }).code;

describe('listing messages', () => {
  test('gives the whole mailbox, newest first, hidden and recoverable mail excluded', async () => {
    const { items, pages } = await client.all(`/users/${mailbox.id}/messages?$top=400`, immutable);
    expect(pages).toBe(4);
    expect(items).toHaveLength(1_500);
    expect(new Map(items.map((item) => [item.id, item]))).toEqual(
      new Map(truth.map(({ message }) => [message.id, message])),
    );
    const times = items.map(received).filter((time) => time !== '');
    expect(times).toEqual(times.toSorted().reverse());
  });

  test('gives ten by default, up to 1,000 by $top, and refuses more', async () => {
    const first = await client.get(`/users/${mailbox.id}/mailFolders/inbox/messages`);
    expect(first.body.value).toHaveLength(10);
    expect(first.body['@odata.nextLink']).toMatch(/%24skip=10$/);
    expect((await client.get(`/users/${mailbox.id}/messages?$top=1000`)).body.value).toHaveLength(1_000);
    const tooMany = await client.get(`/users/${mailbox.id}/messages?$top=1001`);
    expect([tooMany.status, code(tooMany)]).toEqual([400, 'ErrorInvalidUrlQuery']);
  });

  test('selects members, and refuses those that messages do not have', async () => {
    const { body } = await client.get(`/users/${mailbox.id}/messages?$select=subject,isRead&$top=50`, immutable);
    for (const item of body.value) {
      const { message } = truth.find(({ message: { id } }) => id === item.id) as TruthMessage;
      const { id, subject, isRead, '@odata.etag': etag, '@odata.type': type } = message;
      expect(item).toEqual({
        '@odata.etag': etag,
        id,
        subject,
        isRead,
        ...(type === undefined ? {} : { '@odata.type': type }),
      });
    }
    expect(body['@odata.context']).toMatch(/messages\(subject,isRead\)$/);
    expect(code(await client.get(`/users/${mailbox.id}/messages?$select=subjekt`))).toBe('RequestBroker--ParseUri');
  });

  test.each([
    ['receivedDateTime ge 2025-06-01T00:00:00Z', (time: string) => time >= '2025-06-01'],
    ['receivedDateTime lt 2025-06-01T00:00:00Z', (time: string) => time !== '' && time < '2025-06-01'],
    [
      'receivedDateTime gt 2025-01-01T00:00:00Z and receivedDateTime le 2025-12-31T23:59:59Z',
      (time: string) => time > '2025-01-01T00:00:00Z' && time <= '2025-12-31T23:59:59Z',
    ],
  ])('filters by %s', async (filter, isWanted) => {
    const query = `$filter=${encodeURIComponent(filter)}`;
    const wanted = truth.filter(({ message }) => isWanted(received(message)));
    expect(wanted.length).toBeGreaterThan(100);
    const { items } = await client.all(`/users/${mailbox.id}/messages?${query}&$top=300&$count=true`, immutable);
    expect(new Set(items.map(({ id }) => id))).toEqual(new Set(wanted.map(({ message }) => message.id)));
    const { text } = await client.get(`/users/${mailbox.id}/messages/$count?${query}`);
    expect(text).toBe(String(wanted.length));
  });

  test('filters by isRead; $skip in its links counts what was looked at', async () => {
    const query =
      '$filter=receivedDateTime ge 2020-01-01T00:00:00Z and isRead eq false&$top=20&$select=isRead&$count=true';
    const { items } = await client.all(`/users/${mailbox.id}/messages?${query}`, immutable);
    const wanted = truth.filter(({ message }) => message.isRead === false && received(message) >= '2020');
    expect(new Set(items.map(({ id }) => id))).toEqual(new Set(wanted.map(({ message }) => message.id)));
    const { body } = await client.get(`/users/${mailbox.id}/messages?${query}`);
    expect(body['@odata.count']).toBe(wanted.length);
    expect(Number(/%24skip=(\d+)/.exec(textOf(body['@odata.nextLink']))?.[1])).toBeGreaterThan(20);
  });

  test('orders by receivedDateTime both ways, and refuses a sort that the filter does not lead to', async () => {
    const ascending = await client.all(
      `/users/${mailbox.id}/mailFolders/inbox/messages?$orderby=receivedDateTime asc&$top=500`,
      immutable,
    );
    const descending = await client.all(
      `/users/${mailbox.id}/mailFolders/inbox/messages?$orderby=receivedDateTime desc&$top=500`,
      immutable,
    );
    expect(ascending.items.map(({ id }) => id)).toEqual(descending.items.map(({ id }) => id).reverse());
    const complex = await client.get(
      `/users/${mailbox.id}/messages?$filter=isRead eq false&$orderby=receivedDateTime desc`,
    );
    expect(code(complex)).toBe('InefficientFilter');
  });

  test('counts in text/plain, and inside a page', async () => {
    const { text, headers } = await client.get(`/users/${mailbox.id}/messages/$count`);
    expect(text).toBe('1500');
    expect(headers.get('content-type')).toBe('text/plain');
    const { body } = await client.get(`/users/${mailbox.id}/messages?$count=true&$top=1`);
    expect(body['@odata.count']).toBe(1_500);
  });

  test('gives bodies as text where preferred, and says so', async () => {
    const { body, headers } = await client.get(`/users/${mailbox.id}/messages?$select=body&$top=200`, {
      prefer: 'outlook.body-content-type="text", IdType="ImmutableId"',
    });
    expect(new Set(body.value.map((item) => (item.body as { contentType?: string } | null)?.contentType))).toEqual(
      new Set(['text']),
    );
    expect(headers.get('preference-applied')).toBe('IdType="ImmutableId", outlook.body-content-type="text"');
  });
});

describe('one message', () => {
  test('is found by both forms of its id, percent-encoded where needed, below its folder too', async () => {
    const needy = truth.find(({ message }) => /[+/]/.test(textOf(message.id).slice(142, 148)));
    if (!needy) throw new Error('No id needs to be encoded');
    const { message, folderId } = needy;
    const key = keyOf(message);
    for (const path of [`messages/${key}`, `messages('${key}')`, `mailFolders/${folderId}/messages/${key}`]) {
      const { body } = await client.get(`/users/${mailbox.id}/${path}`, immutable);
      expect(body).toMatchObject(message);
    }
    const plain = await client.get(`/users/${mailbox.id}/messages/${key}`);
    expect(plain.body.id).not.toBe(message.id);
    expect(String(plain.body.id)).toHaveLength(152);
    const again = await client.get(`/users/${mailbox.id}/messages/${keyOf(plain.body)}`, immutable);
    expect(again.body.id).toBe(message.id);
  });

  test('some ids differ in case only, and case matters', () => {
    const ids = truth.map(({ message }) => textOf(message.id));
    const lower = new Set(ids.map((id) => id.toLowerCase()));
    expect(new Set(ids).size).toBe(1_500);
    expect(lower.size).toBeLessThan(1_500);
  });

  test('that does not exist is 404; an id that can be none is 400', async () => {
    const { message } = truth[0] as TruthMessage;
    const elsewhere = simulator.control.truth.mailboxes()[1]?.id ?? '';
    const foreign = await client.get(`/users/${elsewhere}/messages/${keyOf(message)}`);
    expect([foreign.status, code(foreign)]).toEqual([404, 'ErrorItemNotFound']);
    const malformed = await client.get(
      `/users/${mailbox.id}/messages/${encodeURIComponent("x'; DROP TABLE emails; --")}`,
    );
    expect([malformed.status, code(malformed)]).toEqual([400, 'ErrorInvalidIdMalformed']);
  });

  test('gives members that only $select gives', async () => {
    const key = keyOf(truth[3]?.message);
    const { body } = await client.get(`/users/${mailbox.id}/messages/${key}?$select=internetMessageHeaders,uniqueBody`);
    expect(body.uniqueBody).toHaveProperty('content');
    const full = await client.get(`/users/${mailbox.id}/messages/${key}`);
    expect(full.body).not.toHaveProperty('uniqueBody');
    expect(full.body).not.toHaveProperty('internetMessageHeaders');
  });
});

test('mail that was generated from one seed is the same mail again, and another seed makes other mail', async () => {
  const again = await startSimulator({ tenant: { mailboxes: 3, messagesPerMailbox: 1_500 } });
  const other = await startSimulator({ tenant: { mailboxes: 3, messagesPerMailbox: 1_500, seed: 2 } });
  try {
    expect([...again.control.truth.messages({ mailbox: mailbox.id })]).toEqual(truth);
    expect(other.clientId).not.toBe(simulator.clientId);
    const [first] = other.control.truth.mailboxes();
    expect([...other.control.truth.messages({ mailbox: first?.id ?? '' })].slice(0, 5)).not.toEqual(truth.slice(0, 5));
  } finally {
    await Promise.all([again.close(), other.close()]);
  }
});

test('previews are the first 255 characters of the text, in every language', async () => {
  const long = await startSimulator({
    tenant: { mailboxes: 6, messages: 600, specialUsers: false, oddMessages: false, bodyBytes: 400 },
  });
  try {
    const reader = new TestClient(long);
    for (const { id } of long.control.truth.mailboxes()) {
      const { items } = await reader.all(`/users/${id}/messages?$top=100&$select=body,bodyPreview`, {
        prefer: 'outlook.body-content-type="text"',
      });
      for (const item of items) {
        const { content } = item.body as { content: string };
        expect(item.bodyPreview).toBe(content.slice(0, 255).replace(/[\uD800-\uDBFF]$/, ''));
      }
    }
  } finally {
    await long.close();
  }
});
