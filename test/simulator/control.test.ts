import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator, type TruthMailbox, type TruthMessage } from '../../simulator/index.ts';
import { TestClient } from './client.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: TruthMailbox;

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 4, messages: 800 } });
  client = new TestClient(simulator);
  mailbox = simulator.control.truth.mailboxes()[0] as TruthMailbox;
});
afterAll(() => simulator.close());

/** A control request over HTTP. */
async function sim(
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; json: Record<string, unknown>; text: string }> {
  const response = await fetch(`${simulator.url}/_sim${path}`, {
    method,
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  return { status: response.status, text, json: text.startsWith('{') ? tryParse(text) : {} };
}

function tryParse(text: string): Record<string, unknown> {
  return text.includes('}\n{') ? {} : (JSON.parse(text) as Record<string, unknown>);
}

describe('the ground truth', () => {
  test('has a summary that its parts add up to', async () => {
    const { json } = await sim('GET', '/truth/summary');
    const mailboxes = simulator.control.truth.mailboxes();
    expect(json).toEqual(simulator.control.truth.summary());
    expect(json).toMatchObject({ users: 7, mailboxes: 4, messages: 800 });
    expect(mailboxes.reduce((sum, { messages }) => sum + messages, 0)).toBe(800);
    expect((await sim('GET', '/truth/mailboxes')).json.value).toEqual(mailboxes);
  });

  test('gives messages by pages, as lines and as objects: the same', async () => {
    const all = [...simulator.control.truth.messages()];
    expect(all).toHaveLength(800);
    const paged: unknown[] = [];
    for (let after = ''; ;) {
      const { json } = await sim('GET', `/truth/messages?limit=300${after === '' ? '' : `&after=${after}`}`);
      paged.push(...(json.value as unknown[]));
      if (typeof json.next !== 'string') break;
      after = json.next;
    }
    expect(paged).toEqual(all);
    const { text } = await sim('GET', '/truth/messages.ndjson');
    const lines = text.trim().split('\n').map((line) => JSON.parse(line) as TruthMessage); // prettier-ignore
    expect(lines).toEqual(all);
  });

  test('can be asked for one mailbox or folder, and for what is hidden', () => {
    const { truth } = simulator.control;
    const own = truth.page({ mailbox: mailbox.userPrincipalName, limit: 10_000 }).value;
    expect(own).toHaveLength(mailbox.messages);
    const inbox = truth.page({ mailbox: mailbox.id, folder: 'inbox', limit: 10_000 }).value;
    expect(inbox).toEqual(own.filter(({ folder }) => folder === 'Inbox'));
    const all = truth.page({ mailbox: mailbox.id, scope: 'all', limit: 10_000 }).value;
    expect(all.length).toBeGreaterThan(own.length);
    expect(all.some(({ folder }) => folder === 'Deletions')).toBe(true);
  });
});

describe('changes over HTTP', () => {
  test('reach Graph and the ground truth alike', async () => {
    const place = { mailbox: mailbox.userPrincipalName, folder: 'Inbox/Projects' };
    const added = await sim('POST', '/messages', { ...place, message: { subject: 'From outside' } });
    const id = added.json.id as string;
    const path = `/users/${mailbox.id}/messages/${encodeURIComponent(id)}`;
    const read = async () => (await client.get(path, { prefer: 'IdType="ImmutableId"' })).body;
    expect(await read()).toMatchObject({ id, subject: 'From outside' });

    await sim('PATCH', '/messages', { ...place, id, patch: { importance: 'high' } });
    expect(await read()).toMatchObject({ importance: 'high' });
    const made = await sim('POST', '/folders', { mailbox: mailbox.id, parent: 'inbox', displayName: 'Fresh' });
    await sim('POST', '/messages/move', { ...place, id, folder: 'Inbox/Fresh' });
    expect(await read()).toMatchObject({ parentFolderId: made.json.id });
    expect(simulator.control.truth.page({ mailbox: mailbox.id, folder: 'Inbox/Fresh' }).value).toMatchObject([
      { message: { id } },
    ]);

    await sim('PATCH', '/folders', {
      mailbox: mailbox.id,
      folder: 'Inbox/Fresh',
      change: { displayName: 'Stale', parent: 'archive' },
    });
    expect((await sim('DELETE', '/folders', { mailbox: mailbox.id, folder: 'Archive/Stale' })).status).toBe(204);
    expect((await client.get(path)).status).toBe(404);
    expect((await sim('DELETE', '/messages', { mailbox: mailbox.id, id })).status).toBe(404);
  });

  test('a message changed in one member keeps all others, its attachments included', async () => {
    const withSome = [...simulator.control.truth.messages({ mailbox: mailbox.id })].find(
      ({ message }) => message.hasAttachments === true,
    );
    const id = withSome?.message.id as string;
    const path = `/users/${mailbox.id}/messages/${encodeURIComponent(id)}?$expand=attachments`;
    const before = (await client.get(path)).body;
    simulator.control.changeMessage({ mailbox: mailbox.id, id }, { isRead: before.isRead !== true });
    const { isRead, changeKey, '@odata.etag': etag, ...after } = (await client.get(path)).body;
    const { isRead: wasRead, changeKey: oldKey, '@odata.etag': oldEtag, ...rest } = before;
    expect(after).toEqual(rest);
    expect([isRead, changeKey === oldKey, etag === oldEtag]).toEqual([wasRead !== true, false, false]);
  });

  test('that make no sense are refused with words', async () => {
    const cases: [string, string, object | undefined, number][] = [
      ['POST', '/messages', { mailbox: 'nobody', folder: 'inbox' }, 404],
      ['POST', '/messages', { mailbox: mailbox.id }, 400],
      ['POST', '/faults', {}, 400],
      ['POST', '/latency', { milliseconds: 'soon' }, 400],
      ['GET', '/nothing', undefined, 404],
    ];
    for (const [method, path, body, status] of cases) {
      const got = await sim(method, path, body);
      expect([path, got.status]).toEqual([path, status]);
      expect(got.json.error).toMatch(/\w+/);
    }
  });
});

describe('waiting and failing on purpose', () => {
  test('a hold keeps the chosen request open until it is released', async () => {
    const hold = simulator.control.hold({ mailbox: mailbox.userPrincipalName, kind: 'messagesDelta', after: 1 });
    const path = `/users/${mailbox.id}/mailFolders/inbox/messages/delta`;
    expect((await client.get(path)).status).toBe(200);
    let isAnswered = false;
    const held = client.get(path).then((got) => {
      isAnswered = true;
      return got;
    });
    await hold.reached();
    expect(hold.waiting).toBe(1);
    expect((await client.get(`/users/${mailbox.id}/mailFolders/inbox`)).status).toBe(200);
    expect(isAnswered).toBe(false);
    hold.release();
    expect((await held).status).toBe(200);
    expect(simulator.control.holds()).toEqual([]);
  });

  test('holds work over HTTP, too, and closing lets go', async () => {
    const { json } = await sim('POST', '/holds', { kind: 'organization' });
    const held = client.get('/organization');
    expect((await sim('GET', `/holds/reached?id=${json.id as number}`)).status).toBe(204);
    expect((await sim('GET', '/holds')).json.value).toEqual([{ id: json.id, waiting: 1 }]);
    expect((await sim('DELETE', `/holds?id=${json.id as number}`)).status).toBe(204);
    expect((await held).status).toBe(200);

    const other = await startSimulator({ tenant: { mailboxes: 1, messages: 1 } });
    const token = (await new TestClient(other).token()).body.access_token as string;
    const hold = other.control.hold();
    const request = fetch(`${other.url}/v1.0/organization`, { headers: { authorization: `Bearer ${token}` } });
    await hold.reached();
    await Promise.all([other.close(), expect(request).rejects.toThrow()]);
  });

  test('the next requests of a kind fail as often as asked, with Graph bodies', async () => {
    const fault = {
      mailbox: mailbox.id,
      kind: 'messages',
      times: 2,
      effect: { type: 'status', status: 429, retryAfter: 2.128 },
    };
    await sim('POST', '/faults', fault);
    const path = `/users/${mailbox.id}/messages`;
    for (let time = 0; time < 2; time++) {
      const got = await client.get(path);
      expect([got.status, got.headers.get('retry-after')]).toEqual([429, '2.128']);
      expect(got.body.error).toMatchObject({ code: 'ApplicationThrottled' });
    }
    expect((await client.get(path)).status).toBe(200);
  });

  test('latency can be changed at any time', async () => {
    await sim('POST', '/latency', { milliseconds: 60 });
    const before = performance.now();
    await client.get('/organization');
    expect(performance.now() - before).toBeGreaterThan(55);
    simulator.control.setLatency(0);
  });

  test('requests are counted by kind, status and mailbox, with the peak of their concurrency', async () => {
    await sim('DELETE', '/stats');
    const hold = simulator.control.hold({ mailbox: mailbox.id });
    const three = [1, 2, 3].map(() => client.get(`/users/${mailbox.id}/mailFolders/inbox`));
    await hold.reached();
    await expect.poll(() => hold.waiting).toBe(3);
    hold.release();
    await Promise.all(three);
    await client.get('/users/nobody@nowhere.example');
    const { json } = await sim('GET', '/stats');
    expect(json).toMatchObject({
      requests: 4,
      byKind: { mailFolder: 3, user: 1 },
      byStatus: { 200: 3, 404: 1 },
      mailboxes: { [mailbox.id]: { requests: 3, inFlight: 0, peakConcurrency: 3 } },
    });
  });
});
