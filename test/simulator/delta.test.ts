import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator, type TruthMailbox } from '../../simulator/index.ts';
import { type Body, TestClient, textOf } from './client.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: TruthMailbox;

beforeEach(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 4, messages: 2_000 } });
  client = new TestClient(simulator);
  mailbox = simulator.control.truth.mailboxes()[0] as TruthMailbox;
});
afterEach(() => simulator.close());

const prefer = (size: number) => ({ prefer: `IdType="ImmutableId", odata.maxpagesize=${size}` });
const code = (got: { body: Record<string, unknown> }) => (got.body.error as { code: string }).code;
const deltaOf = (folder: string, query = '') => `/users/${mailbox.id}/mailFolders/${folder}/messages/delta${query}`;
const linkOf = (page: Body) => textOf(page['@odata.deltaLink']);

/** The item without the type that delta pages add to ordinary messages. */
function untyped({ '@odata.type': type, ...item }: Record<string, unknown>): Record<string, unknown> {
  return type === '#microsoft.graph.message' ? item : { '@odata.type': type, ...item };
}

describe('the first round', () => {
  test('over every visible folder gives exactly the ground truth', async () => {
    let seen = 0;
    for (const { id, folders } of simulator.control.truth.mailboxes().filter(({ readable }) => readable)) {
      for (const folder of folders.filter((each) => each.inTree && !each.isHidden && !each.isSearchFolder)) {
        const { items } = await client.all(`/users/${id}/mailFolders/${folder.id}/messages/delta`, prefer(37));
        const truth = [...simulator.control.truth.messages({ mailbox: id, folder: folder.id })];
        expect(items.map(untyped)).toEqual(truth.map(({ message }) => message));
        seen += items.length;
      }
    }
    expect(seen).toBe(2_000);
    expect(simulator.control.truth.summary().messages).toBe(2_000);
  });

  test('has exactly one link a page, both shapes of it, and echoes the page size', async () => {
    const shapes = new Set<string>();
    let path = deltaOf('inbox');
    for (;;) {
      const { body, headers } = await client.get(path, prefer(9));
      expect(headers.get('preference-applied')).toBe('IdType="ImmutableId", odata.maxpagesize=9');
      const links = [body['@odata.nextLink'], body['@odata.deltaLink']].filter((link) => link !== undefined);
      expect(links).toHaveLength(1);
      expect(body.value.every((item) => item['@odata.type'] !== undefined)).toBe(true);
      shapes.add(textOf(links[0]).includes("mailfolders('") ? 'quoted' : 'plain');
      if (body['@odata.deltaLink'] !== undefined) break;
      expect(body.value).toHaveLength(9);
      path = textOf(body['@odata.nextLink']);
    }
    expect(shapes).toEqual(new Set(['quoted', 'plain']));
  });

  test('loses nothing and repeats nothing of what stays, while mail arrives and leaves', async () => {
    const before = [...simulator.control.truth.messages({ mailbox: mailbox.id, folder: 'inbox' })].map(({ message }) =>
      textOf(message.id),
    );
    const seen: string[] = [];
    let path: string | undefined = deltaOf('inbox');
    let last: Body = { value: [] };
    const gone = new Set<string>();
    while (path !== undefined) {
      const { body } = await client.get(path, prefer(10));
      last = body;
      seen.push(...body.value.map(({ id }) => String(id)));
      path = body['@odata.nextLink'] as string | undefined;
      simulator.control.addMessage({ mailbox: mailbox.id, folder: 'inbox' });
      for (const id of [seen.at(-1) ?? '', before.find((candidate) => !seen.includes(candidate)) ?? '']) {
        if (id === '' || gone.has(id)) continue;
        gone.add(id);
        simulator.control.removeMessage({ mailbox: mailbox.id, id });
      }
    }
    const stayed = before.filter((id) => !gone.has(id));
    expect(new Set(seen).size).toBe(seen.length);
    expect(stayed.filter((id) => !seen.includes(id))).toEqual([]);
    const { items } = await client.all(linkOf(last), prefer(10));
    const removed = new Set(items.filter((item) => '@removed' in item).map(({ id }) => id));
    for (const id of gone) expect(removed.has(id)).toBe(true);
  });

  test('keeps its $select through links, and takes $filter on receivedDateTime', async () => {
    const query = '?$select=subject,receivedDateTime&$filter=receivedDateTime ge 2025-10-01T00:00:00Z';
    const { items, pages } = await client.all(deltaOf('inbox', query), prefer(20));
    const truth = [...simulator.control.truth.messages({ mailbox: mailbox.id, folder: 'inbox' })];
    const wanted = truth.filter(({ message }) => textOf(message.receivedDateTime ?? '') >= '2025-10-01');
    expect(pages).toBeGreaterThan(1);
    expect(items.map(({ id }) => id)).toEqual(wanted.map(({ message }) => message.id));
    for (const item of items)
      expect(
        Object.keys(item)
          .filter((name) => !name.startsWith('@'))
          .sort(),
      ).toEqual(['id', 'receivedDateTime', 'subject']);
  });

  test('keeps its $select in the delta link: more members come after a start from nothing only', async () => {
    const members = (items: readonly object[]) => [
      ...new Set(items.flatMap((item) => Object.keys(item).filter((name) => !name.startsWith('@')))),
    ];
    const { last } = await client.all(deltaOf('inbox', '?$select=subject'), prefer(500));
    const inbox = { mailbox: mailbox.id, folder: 'inbox' };
    const { id } = simulator.control.addMessage(inbox, { subject: 'New' });
    const later = await client.all(linkOf(last), prefer(500));
    expect(later.items.map((item) => item.id)).toEqual([id]);
    expect(members(later.items).sort()).toEqual(['id', 'subject']);
    simulator.control.addMessage(inbox, { subject: 'Newer' });
    const asked = await client.all(`${linkOf(later.last)}&$select=subject,importance`, prefer(500));
    expect(members(asked.items).sort()).toEqual(['id', 'subject']);
    const anew = await client.all(deltaOf('inbox', '?$select=subject,importance'), prefer(500));
    expect(members(anew.items).sort()).toEqual(['id', 'importance', 'subject']);
  });

  test('gives no more than 5,000 messages through a filter, and $top limits the round', async () => {
    const large = await startSimulator({ tenant: { mailboxes: 1, messages: 6_000, folders: 1, specialUsers: false } });
    try {
      const reader = new TestClient(large);
      const path = `/users/${large.control.truth.mailboxes()[0]?.id}/mailFolders/inbox/messages/delta`;
      const filtered = await reader.all(`${path}?$filter=receivedDateTime ge 1990-01-01T00:00:00Z`, prefer(1_000));
      expect(filtered.items).toHaveLength(5_000);
      expect((await reader.all(path, prefer(1_000))).items).toHaveLength(6_000);
      expect((await reader.all(`${path}?$top=25`, prefer(10))).items).toHaveLength(25);
    } finally {
      await large.close();
    }
  });

  test.each([
    ['another filter', '?$filter=isRead eq true', 'ErrorInvalidUrlQuery'],
    ['a search', '?$search=x', 'ErrorInvalidUrlQuery'],
    ['$skip', '?$skip=5', 'ErrorInvalidUrlQuery'],
    ['the latest token', '?$deltatoken=latest', 'ErrorInvalidUrlQuery'],
    ['another order', '?$orderby=subject', 'ErrorInvalidUrlQuery'],
    ['an unknown member', '?$select=nothing', 'RequestBroker--ParseUri'],
  ])('refuses %s', async (_, query, expected) => {
    const got = await client.get(deltaOf('inbox', query));
    expect([got.status, code(got)]).toEqual([400, expected]);
  });

  test('is not to be had for a whole mailbox', async () => {
    const got = await client.get(`/users/${mailbox.id}/messages/delta`);
    expect(got.status).toBe(400);
    expect(got.body.error).toMatchObject({
      message: "Unsupported request: Change tracking is not supported against 'microsoft.graph.message'.",
    });
  });
});

describe('a later round', () => {
  test('gives exactly what changed since: created, updated, removed, and a move on both sides', async () => {
    const { control } = simulator;
    const inbox = await client.all(deltaOf('inbox'), prefer(500));
    const archive = await client.all(deltaOf('archive'), prefer(500));
    const quiet = await client.all(linkOf(inbox.last), prefer(500));
    expect(quiet.items).toEqual([]);

    const [changed, removed, moved] = inbox.items.map(({ id }) => String(id)) as [string, string, string];
    const added = control.addMessage({ mailbox: mailbox.id, folder: 'inbox' }, { subject: 'Hello' });
    control.changeMessage({ mailbox: mailbox.id, id: changed }, { subject: 'Other words' });
    control.removeMessage({ mailbox: mailbox.id, id: removed });
    control.moveMessage({ mailbox: mailbox.id, id: moved }, 'archive');

    const next = await client.all(linkOf(quiet.last), prefer(2));
    expect(next.pages).toBe(2);
    const byId = new Map(next.items.map((item) => [item.id, item]));
    expect(byId.size).toBe(4);
    expect(byId.get(added.id)).toMatchObject({ subject: 'Hello', body: { contentType: 'text' } });
    expect(byId.get(changed)).toMatchObject({ subject: 'Other words', receivedDateTime: expect.any(String) as string });
    for (const id of [removed, moved]) {
      expect(byId.get(id)).toEqual({
        '@odata.type': '#microsoft.graph.message',
        id,
        '@removed': { reason: 'deleted' },
      });
    }
    const arrivals = await client.all(linkOf(archive.last), prefer(500));
    expect(arrivals.items.map(({ id }) => id)).toEqual([moved]);
    const again = await client.all(linkOf(next.last), prefer(500));
    expect(again.items).toEqual([]);
    const where = await client.get(
      `/users/${mailbox.id}/messages/${encodeURIComponent(moved)}?$select=parentFolderId`,
      prefer(1),
    );
    expect(where.body.parentFolderId).toBe(
      mailbox.folders.find(({ wellKnownName }) => wellKnownName === 'archive')?.id,
    );
  });

  test('tells a change of isRead in part, and a return as a removal, with immutable ids', async () => {
    const { control } = simulator;
    const round = await client.all(deltaOf('inbox'), prefer(500));
    const unread = round.items.filter(({ isRead }) => isRead === false).map(({ id }) => String(id));
    const [read, back] = unread as [string, string];
    control.changeMessage({ mailbox: mailbox.id, id: read }, { isRead: true });
    control.moveMessage({ mailbox: mailbox.id, id: back }, 'archive');
    control.moveMessage({ mailbox: mailbox.id, id: back }, 'inbox');
    const next = await client.all(linkOf(round.last), prefer(500));
    const byId = new Map(next.items.map((item) => [item.id, item]));
    expect(Object.keys(byId.get(read) ?? {}).sort()).toEqual([
      '@odata.etag',
      '@odata.type',
      'id',
      'isRead',
      'parentFolderId',
    ]);
    expect(byId.get(back)).toHaveProperty('@removed');
    expect((await client.get(`/users/${mailbox.id}/messages/${encodeURIComponent(back)}`)).status).toBe(200);
    control.changeMessage({ mailbox: mailbox.id, id: back }, { subject: 'Here again' });
    const after = await client.all(linkOf(next.last), prefer(500));
    expect(after.items).toMatchObject([{ id: back, subject: 'Here again' }]);
  });

  test('tells a move by default ids as a removal and an arrival under a new id', async () => {
    const round = await client.all(deltaOf('inbox'), { prefer: 'odata.maxpagesize=500' });
    const id = String(round.items[0]?.id);
    const moved = simulator.control.moveMessage({ mailbox: mailbox.id, id }, 'archive');
    expect(moved.id).not.toBe(id);
    const next = await client.all(linkOf(round.last), { prefer: 'odata.maxpagesize=500' });
    expect(next.items).toEqual([{ '@odata.type': '#microsoft.graph.message', id, '@removed': { reason: 'deleted' } }]);
    expect((await client.get(`/users/${mailbox.id}/messages/${encodeURIComponent(id)}`)).status).toBe(404);
    expect((await client.get(`/users/${mailbox.id}/messages/${encodeURIComponent(moved.id)}`)).status).toBe(200);
  });

  test('gives only the change types that the first call named', async () => {
    const { control } = simulator;
    const rounds = await Promise.all(
      ['created', 'updated', 'deleted'].map((type) => client.all(deltaOf('inbox', `?changeType=${type}`), prefer(500))),
    );
    const [changed, removed] = (rounds[0]?.items ?? []).map(({ id }) => String(id)) as [string, string];
    const added = control.addMessage({ mailbox: mailbox.id, folder: 'inbox' });
    control.changeMessage({ mailbox: mailbox.id, id: changed }, { importance: 'high' });
    control.removeMessage({ mailbox: mailbox.id, id: removed });
    const next = await Promise.all(rounds.map(({ last }) => client.all(linkOf(last), prefer(500))));
    expect(next.map(({ items }) => items.map(({ id }) => id))).toEqual([[added.id], [changed], [removed]]);
  });
});

describe('tokens', () => {
  test('that are expired, unknown or of another folder answer 410', async () => {
    const { last } = await client.all(deltaOf('inbox'), prefer(500));
    const link = linkOf(last);
    simulator.control.expireDelta({ mailbox: mailbox.id, folder: 'inbox' });
    const forged = link.replace(/\$deltatoken=.*/, '$deltatoken=abcdefghijklmnopqrstuvwxyz');
    const archive = linkOf((await client.all(deltaOf('archive'), prefer(500))).last);
    const foreign = archive.replace(/mailfolders\('[^']*'\)/, 'mailFolders/inbox');
    for (const dead of [link, forged, foreign]) {
      const got = await client.get(dead);
      expect([got.status, code(got)]).toEqual([410, 'SyncStateNotFound']);
    }
    expect((await client.all(deltaOf('inbox'), prefer(500))).items.length).toBeGreaterThan(0);
  });

  test('outlive the simulator when the same tenant is started anew', async () => {
    const { last } = await client.all(deltaOf('inbox'), prefer(500));
    const again = await startSimulator({ tenant: { mailboxes: 4, messages: 2_000 } });
    try {
      const link = linkOf(last).replace(simulator.url, again.url);
      expect((await new TestClient(again).get(link)).body.value).toEqual([]);
    } finally {
      await again.close();
    }
  });

  test('of a folder that was deleted answer 404', async () => {
    const { last } = await client.all(
      deltaOf(mailbox.folders.find(({ path }) => path === 'Reports')?.id ?? ''),
      prefer(500),
    );
    simulator.control.removeFolder({ mailbox: mailbox.id, folder: 'Reports' });
    const got = await client.get(linkOf(last));
    expect([got.status, code(got)]).toEqual([404, 'ErrorSyncFolderNotFound']);
  });
});
