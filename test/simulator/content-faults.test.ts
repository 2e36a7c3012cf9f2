import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type FaultRule, type Simulator, startSimulator, type TruthMailbox } from '../../simulator/index.ts';
import { TestClient, textOf } from './client.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: TruthMailbox;
let list: string;
let delta: string;

beforeAll(async () => {
  simulator = await startSimulator({
    tenant: { mailboxes: 1, messages: 300, oddMessages: false, specialUsers: false },
  });
  client = new TestClient(simulator);
  [mailbox] = simulator.control.truth.mailboxes() as [TruthMailbox];
  list = `/users/${mailbox.id}/mailFolders/inbox/messages`;
  delta = `${list}/delta`;
});
afterEach(() => simulator.control.clearFaults());
afterAll(() => simulator.close());

const fault = (rule: FaultRule) => simulator.control.addFault(rule);
const prefer = (size: number) => ({ prefer: `IdType="ImmutableId", odata.maxpagesize=${size}` });
const idsOf = (items: Record<string, unknown>[]) => items.map(({ id }) => textOf(id));
/** What is in the inbox, newest first. */
const truth = () =>
  [...simulator.control.truth.messages({ mailbox: mailbox.id, folder: 'inbox' })].map(({ message }) =>
    textOf(message.id),
  );
const codeAt = async (path: string, headers = prefer(10)) => {
  const { status, body } = await client.get(path, headers);
  return [status, (body.error as { code?: string } | undefined)?.code];
};

describe('a page limit', () => {
  test('fails pages of more messages, of lists and of delta, and no others', async () => {
    fault({ mailbox: mailbox.id, effect: { type: 'pageLimit', largest: 20 } });
    expect(await codeAt(`${list}?$top=21`)).toEqual([504, 'UnknownError']);
    expect(await codeAt(`${list}?$top=20`)).toEqual([200, undefined]);
    expect(await codeAt(delta, prefer(21))).toEqual([504, 'UnknownError']);
    expect(idsOf((await client.all(delta, prefer(20))).items)).toEqual(truth());
  });

  test('can answer 413', async () => {
    fault({ effect: { type: 'pageLimit', largest: 5, status: 413 } });
    expect(await codeAt(`${list}?$top=6`)).toEqual([413, 'RequestEntityTooLarge']);
  });
});

describe('a poison message', () => {
  const alone = (id: string, query = '') => `/users/${mailbox.id}/messages/${encodeURIComponent(id)}${query}`;

  test('fails every page that holds it, and is left alone by all others', async () => {
    const ids = truth();
    const poison = ids[25] as string;
    fault({ mailbox: mailbox.id, message: poison, effect: { type: 'poison', where: 'pages' } });
    expect(await codeAt(`${list}?$top=100`)).toEqual([500, 'ErrorContentConversionFailed']);
    expect(await codeAt(delta, prefer(100))).toEqual([500, 'ErrorContentConversionFailed']);
    expect(await codeAt(`${list}?$top=1&$skip=25`)).toEqual([500, 'ErrorContentConversionFailed']);
    for (const skip of [24, 26]) expect((await codeAt(`${list}?$top=1&$skip=${skip}`))[0]).toBe(200);
    expect((await codeAt(`${list}?$top=25`))[0]).toBe(200);
    expect((await codeAt(alone(poison)))[0]).toBe(200);
  });

  test('that cannot be read alone either gives some of its members and not others', async () => {
    const poison = truth()[3] as string;
    fault({ mailbox: mailbox.id, message: poison, effect: { type: 'poison', members: ['body', '$value'] } });
    expect(await codeAt(alone(poison))).toEqual([500, 'ErrorContentConversionFailed']);
    expect(await codeAt(alone(poison, '?$select=subject,body'))).toEqual([500, 'ErrorContentConversionFailed']);
    expect(await codeAt(alone(poison, '/$value'))).toEqual([500, 'ErrorContentConversionFailed']);
    expect((await codeAt(alone(poison, '/attachments')))[0]).toBe(200);
    const { body } = await client.get(alone(poison, '?$select=id,subject,receivedDateTime'), prefer(10));
    expect(body).toMatchObject({ id: poison, receivedDateTime: expect.any(String) as string });
    expect((await codeAt(`${list}?$select=id,subject&$top=50`))[0]).toBe(200);
    expect((await codeAt(`${delta}?$select=id`, prefer(50)))[0]).toBe(200);
    expect(await codeAt(`${list}?$top=50`)).toEqual([500, 'ErrorContentConversionFailed']);
  });

  test('can be one that gives nothing at all, with a status and code of its own', async () => {
    const poison = truth()[0] as string;
    const effect = { type: 'poison', status: 504, code: 'UnknownError' } as const;
    fault({ mailbox: mailbox.id, message: poison, effect });
    const paths = [
      alone(poison, '?$select=id'),
      alone(poison, '/$value'),
      alone(poison, '/attachments'),
      `${list}?$select=id`,
    ];
    for (const path of paths) expect(await codeAt(path)).toEqual([504, 'UnknownError']);
  });

  test('fails by itself only where it says so, and heals after so many times', async () => {
    const poison = truth()[1] as string;
    fault({ mailbox: mailbox.id, message: poison, times: 2, effect: { type: 'poison', where: 'alone' } });
    expect((await codeAt(list))[0]).toBe(200);
    expect([
      (await codeAt(alone(poison)))[0],
      (await codeAt(alone(poison)))[0],
      (await codeAt(alone(poison)))[0],
    ]).toEqual([500, 500, 200]);
  });

  test('fails in a batch as it does outside', async () => {
    const [poison, sound] = truth() as [string, string];
    fault({ mailbox: mailbox.id, message: poison, effect: { type: 'poison' } });
    const requests = [poison, sound].map((id, at) => ({ id: String(at), method: 'GET', url: alone(id) }));
    const { body } = await client.request('POST', '/$batch', {}, { requests });
    const statuses = Object.fromEntries(
      (body.responses as { id: string; status: number }[]).map(({ id, status }) => [id, status]),
    );
    expect(statuses).toEqual({ 0: 500, 1: 200 });
  });

  test('is met in a later round, where it is shown, and not where it is only removed', async () => {
    const { last } = await client.all(delta, prefer(500));
    const link = textOf(last['@odata.deltaLink']);
    const poison = truth()[2] as string;
    simulator.control.changeMessage({ mailbox: mailbox.id, id: poison }, { importance: 'high' });
    const { id } = fault({ mailbox: mailbox.id, message: poison, effect: { type: 'poison', members: ['subject'] } });
    expect((await codeAt(link, prefer(10)))[0]).toBe(500);
    simulator.control.moveMessage({ mailbox: mailbox.id, id: poison }, 'archive');
    expect((await client.get(link, prefer(10))).body.value).toMatchObject([{ id: poison, '@removed': {} }]);
    simulator.control.removeFault(id);
  });
});

describe('pages that are odd', () => {
  test('overlap: the same message on two pages, and none is missing', async () => {
    fault({ mailbox: mailbox.id, effect: { type: 'overlap', messages: 2 } });
    for (const path of [delta, `${list}?$top=10`]) {
      const { items } = await client.all(path, prefer(10));
      const ids = idsOf(items);
      expect(ids.length).toBeGreaterThan(truth().length + 4);
      expect([...new Set(ids)]).toEqual(truth());
    }
  });

  test('overlap by less than a page, so that every walk ends', async () => {
    fault({ effect: { type: 'overlap', messages: 50 } });
    expect(new Set(idsOf((await client.all(delta, prefer(3))).items)).size).toBe(truth().length);
    expect((await client.all(delta, prefer(1))).items).toHaveLength(truth().length);
  });

  test('are empty and lead on', async () => {
    for (const path of [delta, `${list}?$top=50`]) {
      fault({ after: 1, times: 2, effect: { type: 'emptyPage' } });
      const { items, pages } = await client.all(path, prefer(50));
      expect(idsOf(items)).toEqual(truth());
      expect(pages).toBe(Math.ceil(truth().length / 50) + 2);
    }
  });

  test('lead to themselves', async () => {
    fault({ effect: { type: 'sameLink' } });
    for (const path of [delta, `${list}?$top=10`]) {
      const first = await client.get(path, prefer(10));
      const second = await client.get(textOf(first.body['@odata.nextLink']), prefer(10));
      expect(idsOf(second.body.value)).toEqual(idsOf(first.body.value));
    }
  });

  test('have a size of their own, whatever $top asks for', async () => {
    fault({ effect: { type: 'ignoreTop', size: 7 } });
    const sizes = [];
    for (const path of [`${list}?$top=50`, delta, `/users/${mailbox.id}/mailFolders?$top=50`]) {
      sizes.push((await client.get(path, prefer(50))).body.value.length);
    }
    expect(sizes).toEqual([7, 7, 7]);
    expect(idsOf((await client.all(delta, prefer(50))).items)).toEqual(truth());
  });
});

describe('counters that disagree', () => {
  test('are those of messages, or of one folder', async () => {
    const count = truth().length;
    fault({ kind: ['messages', 'messagesCount'], folder: 'inbox', effect: { type: 'count', off: 5 } });
    expect((await client.get(`${list}?$count=true`)).body['@odata.count']).toBe(count + 5);
    expect((await client.get(`${list}/$count`)).text).toBe(String(count + 5));
    const folder = async () => (await client.get(`/users/${mailbox.id}/mailFolders/inbox`)).body.totalItemCount;
    expect(await folder()).toBe(count);
    simulator.control.clearFaults();

    fault({ mailbox: mailbox.id, folder: 'inbox', effect: { type: 'count', off: -1 } });
    expect(await folder()).toBe(count - 1);
    const counts = async (path: string) =>
      new Map((await client.get(path, prefer(500))).body.value.map(({ id, totalItemCount }) => [id, totalItemCount]));
    const inbox = mailbox.folders.find(({ wellKnownName }) => wellKnownName === 'inbox')?.id ?? '';
    const archive = mailbox.folders.find(({ wellKnownName }) => wellKnownName === 'archive');
    for (const path of [`/users/${mailbox.id}/mailFolders?$top=100`, `/users/${mailbox.id}/mailFolders/delta`]) {
      const shown = await counts(path);
      const stored = simulator.control.truth.page({ mailbox: mailbox.id, folder: 'archive', limit: 1_000 }).value
        .length;
      expect([shown.get(inbox), shown.get(archive?.id)]).toEqual([truth().length - 1, stored]);
    }
  });
});

describe('delta links', () => {
  test('answer 410, with either code, and a walk begun anew goes well', async () => {
    const { last } = await client.all(delta, prefer(100));
    const next = textOf((await client.get(delta, prefer(10))).body['@odata.nextLink']);
    fault({ times: 1, effect: { type: 'expireLinks' } });
    expect(await codeAt(textOf(last['@odata.deltaLink']))).toEqual([410, 'SyncStateNotFound']);
    fault({ times: 1, effect: { type: 'expireLinks', code: 'resyncRequired', links: 'next' } });
    expect((await codeAt(textOf(last['@odata.deltaLink'])))[0]).toBe(200);
    const got = await client.get(next, prefer(10));
    expect([got.status, got.body.error]).toMatchObject([410, { code: 'resyncRequired' }]);
    expect((await codeAt(got.headers.get('location') ?? ''))[0]).toBe(200);
    expect(idsOf((await client.all(delta, prefer(100))).items)).toEqual(truth());
  });

  test('answer 410 when they have grown old', async () => {
    const next = textOf((await client.get(delta, prefer(10))).body['@odata.nextLink']);
    const { id } = fault({ effect: { type: 'expireLinks', links: 'next', olderThan: 600 } });
    expect((await codeAt(next))[0]).toBe(200);
    simulator.control.removeFault(id);
    fault({ effect: { type: 'expireLinks', links: 'next', olderThan: 0 } });
    expect((await codeAt(next))[0]).toBe(410);
  });
});

describe('partial records', () => {
  test('give of a changed message what changed, with what is needed to merge it; of a new one, all', async () => {
    const { last } = await client.all(delta, prefer(500));
    const id = truth()[4] as string;
    simulator.control.changeMessage({ mailbox: mailbox.id, id }, { subject: 'Other words', importance: 'low' });
    const added = simulator.control.addMessage({ mailbox: mailbox.id, folder: 'inbox' }).id;
    fault({ effect: { type: 'partial' } });
    const { items } = await client.all(textOf(last['@odata.deltaLink']), prefer(500));
    const byId = new Map(items.map((item) => [item.id, item]));
    const members = Object.keys(byId.get(id) ?? {}).filter((name) => !name.startsWith('@'));
    expect(members.sort()).toEqual(['id', 'importance', 'lastModifiedDateTime', 'parentFolderId', 'subject']);
    expect(byId.get(added)).toHaveProperty('body');
  });
});
