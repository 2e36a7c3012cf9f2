import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator, type TruthMailbox } from '../../simulator/index.ts';
import { TestClient, textOf } from './client.ts';

let simulator: Simulator;
let client: TestClient;
let mailboxes: TruthMailbox[];

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 8, messages: 1_600 } });
  client = new TestClient(simulator);
  mailboxes = simulator.control.truth.mailboxes().filter(({ readable }) => readable);
});
afterAll(() => simulator.close());

const at = (index: number) => mailboxes[index] as TruthMailbox;

/** Every folder below the root, found the way a client finds them. */
async function walk(mailbox: string, path = 'mailFolders', hidden = false): Promise<Record<string, unknown>[]> {
  const query = hidden ? '?includeHiddenFolders=true' : '';
  const { items } = await client.all(`/users/${mailbox}/${path}${query}`);
  const below = await Promise.all(
    items.map((folder) => walk(mailbox, `mailFolders/${encodeURIComponent(String(folder.id))}/childFolders`, hidden)),
  );
  return [...items, ...below.flat()];
}

describe('the folder tree', () => {
  test('is found by walking child folders, hidden ones only when asked for', async () => {
    for (const mailbox of mailboxes.slice(0, 3)) {
      const truth = mailbox.folders.filter(({ inTree }) => inTree);
      const visible = await walk(mailbox.id);
      expect(new Set(visible.map(({ id }) => id))).toEqual(
        new Set(truth.filter(({ isHidden }) => !isHidden).map(({ id }) => id)),
      );
      const all = await walk(mailbox.id, 'mailFolders', true);
      expect(new Set(all.map(({ id }) => id))).toEqual(new Set(truth.map(({ id }) => id)));
      expect(all.length).toBeGreaterThan(visible.length);
    }
  });

  test('has what real trees have: depth, a slash in a name, one name twice, a search folder', async () => {
    const paths = at(0).folders.map(({ path }) => path);
    expect(paths).toContain('Inbox/Projects/2026/Q1');
    expect(paths).toContain('Invoices/Receipts');
    expect(paths.filter((path) => path === 'Reports')).toHaveLength(2);
    const found = await walk(at(0).id);
    const search = found.find((folder) => folder['@odata.type'] === '#microsoft.graph.mailSearchFolder');
    expect(search).toMatchObject({ isSupported: true, filterQuery: expect.any(String) as string });
    const messages = await client.all(`/users/${at(0).id}/mailFolders/${String(search?.id)}/messages`);
    expect(new Set(messages.items.map(({ parentFolderId }) => parentFolderId)).size).toBe(1);
    expect(messages.items[0]?.parentFolderId).not.toBe(search?.id);
  });

  test('pages by ten by default and by $top, with $skip in its links', async () => {
    const first = await client.get(`/users/${at(0).id}/mailFolders`);
    expect(first.body.value).toHaveLength(10);
    expect(first.body['@odata.nextLink']).toMatch(/%24skip=10$/);
    const all = await client.get(`/users/${at(0).id}/mailFolders?$top=250&$count=true`);
    expect(all.body['@odata.count']).toBe(all.body.value.length);
    expect(all.body).not.toHaveProperty('@odata.nextLink');
  });

  test('is named in the language of the mailbox, and well-known names find folders in any case', async () => {
    const names = await Promise.all(
      [0, 1, 2, 3].map(
        async (index) => (await client.get(`/users/${at(index).id}/mailFolders/InBox`)).body.displayName,
      ),
    );
    expect(names).toEqual(['Inbox', 'Posteingang', 'Boîte de réception', '受信トレイ']);
  });

  test('lacks some well-known folders: 404; ids that can be none: 400', async () => {
    const missing = await client.get(`/users/${at(4).id}/mailFolders/archive`);
    expect([missing.status, (missing.body.error as { code: string }).code]).toEqual([404, 'ErrorItemNotFound']);
    const malformed = await client.get(`/users/${at(0).id}/mailFolders/no-such-folder`);
    expect([malformed.status, (malformed.body.error as { code: string }).code]).toEqual([
      400,
      'ErrorInvalidIdMalformed',
    ]);
    const { id } = at(0).folders[3] ?? { id: '' };
    const foreign = await client.get(`/users/${at(1).id}/mailFolders/${id}`);
    expect((foreign.body.error as { code: string }).code).toBe('ErrorItemNotFound');
    const otherCase = await client.get(`/users/${at(0).id}/mailFolders/${id.toLowerCase()}`);
    expect(otherCase.status).not.toBe(200);
  });

  test('counts what its folders hold', async () => {
    for (const folder of at(0).folders.filter(({ inTree }) => inTree)) {
      const { body } = await client.get(`/users/${at(0).id}/mailFolders('${folder.id}')`);
      expect(body).toMatchObject({
        id: folder.id,
        totalItemCount: folder.messages,
        isHidden: folder.isHidden || false,
      });
      const unread = await client.get(
        `/users/${at(0).id}/mailFolders/${folder.id}/messages/$count?$filter=isRead eq false or isRead eq null`,
      );
      expect(unread.text).toBe(String(body.unreadItemCount));
    }
  });
});

test('counters follow what happens to messages', async () => {
  const { control } = simulator;
  const mailbox = at(3).id;
  const counters = async () => {
    const { body } = await client.get(`/users/${mailbox}/mailFolders/inbox?$select=totalItemCount,unreadItemCount`);
    return [Number(body.totalItemCount), Number(body.unreadItemCount)];
  };
  const [total = 0, unread = 0] = await counters();
  const { id } = control.addMessage({ mailbox, folder: 'inbox' });
  expect(await counters()).toEqual([total + 1, unread + 1]);
  control.changeMessage({ mailbox, id }, { isRead: true });
  expect(await counters()).toEqual([total + 1, unread]);
  control.changeMessage({ mailbox, id }, { isRead: false });
  control.moveMessage({ mailbox, id }, 'drafts');
  expect(await counters()).toEqual([total, unread]);
  control.moveMessage({ mailbox, id }, 'inbox');
  control.removeMessage({ mailbox, id });
  expect(await counters()).toEqual([total, unread]);
});

describe('delta over folders', () => {
  test('gives the visible tree, then what changed: created, renamed, counters, removed', async () => {
    const mailbox = at(2);
    const first = await client.all(`/users/${mailbox.id}/mailFolders/delta`, { prefer: 'odata.maxpagesize=7' });
    expect(first.pages).toBeGreaterThan(2);
    const visible = mailbox.folders.filter(({ inTree, isHidden }) => inTree && !isHidden);
    expect(new Set(first.items.map(({ id }) => id))).toEqual(new Set(visible.map(({ id }) => id)));

    const { control } = simulator;
    const made = control.createFolder(mailbox.id, 'inbox', 'New one');
    control.changeFolder({ mailbox: mailbox.id, folder: 'Reports' }, { displayName: 'Old reports' });
    control.addMessage({ mailbox: mailbox.id, folder: 'sentitems' });
    control.removeFolder({ mailbox: mailbox.id, folder: 'Invoices/Receipts' });
    const second = await client.all(textOf(first.last['@odata.deltaLink']));
    const byId = new Map(second.items.map((folder) => [folder.id, folder]));
    expect(byId.get(made.id)).toMatchObject({ displayName: 'New one', totalItemCount: 0 });
    expect(second.items).toContainEqual(expect.objectContaining({ displayName: 'Old reports' }));
    const gone = mailbox.folders.find(({ path }) => path === 'Invoices/Receipts');
    expect(byId.get(gone?.id)).toEqual({ id: gone?.id, '@removed': { reason: 'deleted' } });
    const sent = mailbox.folders.find(({ wellKnownName }) => wellKnownName === 'sentitems');
    expect(byId.get(sent?.id)).toMatchObject({ totalItemCount: (sent?.messages ?? 0) + 1 });
    const third = await client.all(textOf(second.last['@odata.deltaLink']));
    expect(third.items).toEqual([]);
    expect((await client.get(`/users/${mailbox.id}/mailFolders/${gone?.id}`)).status).toBe(404);
  });
});
