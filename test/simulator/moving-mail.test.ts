import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator, type TruthMailbox } from '../../simulator/index.ts';
import { TestClient, textOf } from './client.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: TruthMailbox;

beforeEach(async () => {
  simulator = await startSimulator({
    tenant: { mailboxes: 2, messages: 400, specialUsers: false, oddMessages: false },
  });
  client = new TestClient(simulator);
  [mailbox] = simulator.control.truth.mailboxes() as [TruthMailbox];
});
afterEach(() => simulator.close());

const prefer = (size: number) => ({ prefer: `IdType="ImmutableId", odata.maxpagesize=${size}` });
const inbox = () => `/users/${mailbox.id}/mailFolders/inbox/messages`;
const truthOf = (folder: string) =>
  new Map(
    [...simulator.control.truth.messages({ mailbox: mailbox.id, folder, scope: 'all' })].map(({ message }) => [
      textOf(message.id),
      textOf(message.changeKey),
    ]),
  );

/** What a careful reader knows of a folder: merged, and asked again about what was said to be removed. */
class Reader {
  readonly known = new Map<string, string>();
  link: string | undefined;

  /** One page of the walk; true at the end of a round. */
  async step(size: number, folderId: string): Promise<boolean> {
    const { body, status } = await client.get(
      this.link ?? `/users/${mailbox.id}/mailFolders/${folderId}/messages/delta?$select=changeKey`,
      prefer(size),
    );
    expect(status).toBe(200);
    for (const item of body.value) {
      const id = textOf(item.id);
      if (!('@removed' in item)) this.known.set(id, etagOf(item));
      else await this.#look(id, folderId);
    }
    this.link = textOf(body['@odata.nextLink'] ?? body['@odata.deltaLink']);
    return '@odata.deltaLink' in body;
  }

  async #look(id: string, folderId: string): Promise<void> {
    const path = `/users/${mailbox.id}/messages/${encodeURIComponent(id)}?$select=parentFolderId`;
    const { status, body } = await client.get(path, prefer(1));
    if (status === 200 && body.parentFolderId === folderId) this.known.set(id, etagOf(body));
    else this.known.delete(id);
  }
}

const etagOf = (item: Record<string, unknown>) => textOf(item['@odata.etag']).slice(3, -1);

describe('mail that moves while it is read', () => {
  test('arrives, comes from elsewhere with an old date, changes, leaves and returns within a round: the next tells', async () => {
    const { control } = simulator;
    const folderId = mailbox.folders.find(({ wellKnownName }) => wellKnownName === 'inbox')?.id ?? '';
    const ids = [...truthOf('inbox').keys()];
    const reader = new Reader();
    await reader.step(20, folderId);
    const ref = (id: string) => ({ mailbox: mailbox.id, id });
    const [seen, unseen] = [ids[3] as string, ids.at(-2) as string];

    const old = control.addMessage(
      { mailbox: mailbox.id, folder: 'inbox' },
      { receivedDateTime: '2024-01-01T00:00:00Z' },
    ).id;
    const brief = control.addMessage(
      { mailbox: mailbox.id, folder: 'inbox' },
      { receivedDateTime: '2024-01-02T00:00:00Z' },
    ).id;
    control.changeMessage(ref(unseen), { receivedDateTime: '2026-10-31T23:59:59Z' });
    control.moveMessage(ref(seen), 'archive');
    control.moveMessage(ref(seen), 'inbox');
    while (!(await reader.step(20, folderId)));
    expect(reader.known.has(brief)).toBe(true);
    control.removeMessage(ref(brief));
    control.changeMessage(ref(old), { isRead: true });

    while (!(await reader.step(20, folderId)));
    expect(reader.known).toEqual(truthOf('inbox'));
    expect([reader.known.has(unseen), reader.known.has(seen), reader.known.has(brief)]).toEqual([true, true, false]);
  });

  test('is missed and met twice by pages with $skip, as in Exchange', async () => {
    const { control } = simulator;
    const ids = [...truthOf('inbox').keys()];
    const first = await client.get(`${inbox()}?$top=20&$select=id`, prefer(20));
    control.removeMessage({ mailbox: mailbox.id, id: ids[0] as string });
    const second = await client.get(textOf(first.body['@odata.nextLink']), prefer(20));
    expect(second.body.value[0]?.id).toBe(ids[21]);
    for (let time = 0; time < 2; time++) control.addMessage({ mailbox: mailbox.id, folder: 'inbox' });
    const third = await client.get(textOf(second.body['@odata.nextLink']), prefer(20));
    expect(third.body.value.slice(0, 2).map(({ id }) => id)).toEqual([ids[39], ids[40]]);
  });

  test('goes on in a folder that is renamed and moved, and ends in one that is deleted', async () => {
    const { control } = simulator;
    const folderId = mailbox.folders.find(({ path }) => path === 'Inbox/Customers')?.id ?? '';
    const reader = new Reader();
    expect(await reader.step(2, folderId)).toBe(false);
    control.changeFolder({ mailbox: mailbox.id, folder: folderId }, { displayName: 'Elsewhere', parent: 'archive' });
    while (!(await reader.step(2, folderId)));
    expect(reader.known).toEqual(truthOf('Archive/Elsewhere'));
    control.removeFolder({ mailbox: mailbox.id, folder: folderId });
    const got = await client.get(reader.link ?? '', prefer(2));
    expect([got.status, got.body.error]).toMatchObject([404, { code: 'ErrorSyncFolderNotFound' }]);
  });
});

describe('a flow of changes', () => {
  test('goes on while folders are read, and what was read is the truth once it has ended', async () => {
    const { folders } = mailbox;
    const readers = folders
      .filter(({ inTree, isHidden, isSearchFolder }) => inTree && !isHidden && !isSearchFolder)
      .map(({ id, path }) => ({ id, path, reader: new Reader() }));
    const flow = await client.sim<{ id: number }>('POST', '/churn', { mailbox: mailbox.id, perSecond: 300, seed: 5 });
    for (let round = 0; round < 3; round++) {
      for (const { id, reader } of readers) while (!(await reader.step(7, id)));
    }
    await client.sim('DELETE', `/churn?id=${flow.id}`);
    const [report] = simulator.control.churns();
    expect(report).toMatchObject({ isRunning: false });
    expect(Object.keys(report?.byKind ?? {}).sort()).toEqual(['arrive', 'change', 'move', 'read', 'vanish']);
    for (const { id, path, reader } of readers) {
      while (!(await reader.step(500, id)));
      expect([path, reader.known]).toEqual([path, truthOf(id)]);
    }
  });

  test('is the same for the same seed, ends after so many changes, and keeps to its mailbox', async () => {
    const run = async () => {
      const own = await startSimulator({ tenant: { mailboxes: 2, messages: 200, specialUsers: false } });
      const [first, second] = own.control.truth.mailboxes() as [TruthMailbox, TruthMailbox];
      const untouched = [...own.control.truth.messages({ mailbox: second.id })];
      own.control.startChurn({ mailbox: first.id, perSecond: 5_000, seed: 9, changes: 150, folders: true });
      await expect.poll(() => own.control.churns()[0]?.isRunning).toBe(false);
      expect([...own.control.truth.messages({ mailbox: second.id })]).toEqual(untouched);
      const messages = [...own.control.truth.messages({ mailbox: first.id })].map(({ folder, message }) => [
        folder,
        message.id,
        message.subject,
      ]);
      const report = own.control.churns()[0];
      await own.close();
      return { messages, report };
    };
    const [one, two] = [await run(), await run()];
    expect(one.report).toMatchObject({ changes: 150 });
    expect(Object.keys(one.report?.byKind ?? {})).toContain('makeFolder');
    expect(two).toEqual(one);
  });

  test('of every mailbox can run beside another, and all end together', async () => {
    simulator.control.startChurn({ perSecond: 50 });
    await client.sim('POST', '/churn', { perSecond: 50, seed: 2, folders: true });
    await expect.poll(() => simulator.control.churns().every(({ changes }) => changes > 3)).toBe(true);
    const { value } = await client.sim<{ value: object[] }>('DELETE', '/churn');
    expect(value).toMatchObject([{ isRunning: false }, { isRunning: false }]);
    await expect(client.sim('POST', '/churn', { perSecond: 0 })).rejects.toThrow(/^400 .*perSecond/);
    await expect(client.sim('DELETE', '/churn?id=9')).rejects.toThrow(/^404 /);
  });
});
