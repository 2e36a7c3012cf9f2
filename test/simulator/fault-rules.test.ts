import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  type FaultPreset,
  type FaultRule,
  type Simulator,
  startSimulator,
  type TruthMailbox,
} from '../../simulator/index.ts';
import { TestClient, textOf } from './client.ts';
import { plainGet } from './plain-get.ts';

let simulator: Simulator;
let client: TestClient;
let mailbox: TruthMailbox;
let other: TruthMailbox;

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 4, messages: 1_200, oddMessages: false } });
  client = new TestClient(simulator);
  [mailbox, other] = simulator.control.truth.mailboxes() as [TruthMailbox, TruthMailbox];
});
afterEach(() => simulator.control.clearFaults());
afterAll(() => simulator.close());

const inboxOf = ({ id }: TruthMailbox) => `/users/${id}/mailFolders/inbox`;
const statusOf = async (path: string) => (await client.get(path)).status;

/** Puts faults in force over HTTP; gives their ids. */
async function fault(rule: FaultRule | FaultRule[] | FaultPreset): Promise<number[]> {
  return (await client.sim<{ ids: number[] }>('POST', '/faults', rule)).ids;
}

describe('whom a fault strikes', () => {
  const effect = { type: 'status', status: 500 } as const;

  test('one mailbox, by its id or principal name, and no other', async () => {
    await fault({ mailbox: mailbox.userPrincipalName, effect });
    expect([await statusOf(inboxOf(mailbox)), await statusOf(inboxOf(other))]).toEqual([500, 200]);
  });

  test('one folder, by its id, path or well-known name, and the messages in it', async () => {
    const projects = mailbox.folders.find(({ path }) => path === 'Inbox/Projects');
    const folder = `/users/${mailbox.id}/mailFolders/${projects?.id}`;
    const message = async (path: string) =>
      `/users/${mailbox.id}/messages/${textOf((await client.get(`${path}/messages?$top=1`)).body.value[0]?.id)}`;
    const [inside, outside] = [await message(folder), await message(inboxOf(mailbox))];
    for (const name of [projects?.id ?? '', 'Inbox/Projects']) {
      const [id] = await fault({ mailbox: mailbox.id, folder: name, effect });
      expect([await statusOf(`${folder}/messages`), await statusOf(inside)]).toEqual([500, 500]);
      expect([await statusOf(`${inboxOf(mailbox)}/messages`), await statusOf(outside)]).toEqual([200, 200]);
      simulator.control.removeFault(id ?? 0);
    }
    await fault({ folder: 'inbox', effect });
    expect([await statusOf(inboxOf(mailbox)), await statusOf(inboxOf(other)), await statusOf(folder)]).toEqual([
      500, 500, 200,
    ]);
  });

  test('a folder that was renamed since is still the one that was meant', async () => {
    const { id } = simulator.control.createFolder(mailbox.id, 'inbox', 'Early');
    await fault({ mailbox: mailbox.id, folder: 'Inbox/Early', effect });
    simulator.control.changeFolder({ mailbox: mailbox.id, folder: id }, { displayName: 'Late' });
    expect(await statusOf(`/users/${mailbox.id}/mailFolders/${id}/messages`)).toBe(500);
  });

  test('one kind of request, or several', async () => {
    await fault({ kind: ['messages', 'messagesCount'], effect });
    const paths = ['/messages', '/messages/$count', '/messages/delta', ''].map((end) => inboxOf(mailbox) + end);
    expect(await Promise.all(paths.map(statusOf))).toEqual([500, 500, 200, 200]);
  });

  test('one message, by either form of its id: here it was listed, and cannot be found', async () => {
    const [listed, next] = (await client.get(`${inboxOf(mailbox)}/messages?$top=2`)).body.value.map(({ id }) =>
      textOf(id),
    ) as [string, string];
    await fault({ mailbox: mailbox.id, message: listed, effect: { type: 'status', status: 404 } });
    const path = `/users/${mailbox.id}/messages`;
    const got = await client.get(`${path}/${listed}`);
    expect([got.status, got.body.error]).toMatchObject([404, { code: 'ErrorItemNotFound' }]);
    expect([await statusOf(`${path}/${listed}/$value`), await statusOf(`${path}/${next}`)]).toEqual([404, 200]);
    const page = (await client.get(`${inboxOf(mailbox)}/messages?$top=2`)).body.value;
    expect(page.map(({ id }) => id)).toEqual([listed, next]);
  });

  test('a request inside a batch, whose neighbours and outer status stay as they are', async () => {
    await fault({ mailbox: mailbox.id, kind: 'mailFolder', effect: { type: 'status', status: 429, retryAfter: 2 } });
    const requests = [inboxOf(mailbox), inboxOf(other)].map((url, id) => ({ id: String(id), method: 'GET', url }));
    const { status, body } = await client.request('POST', '/$batch', {}, { requests });
    const responses = (body.responses as { id: string; status: number; headers: Record<string, string> }[]).sort(
      (a, b) => a.id.localeCompare(b.id),
    );
    expect([status, ...responses.map((response) => response.status)]).toEqual([200, 429, 200]);
    expect(responses[0]?.headers['retry-after']).toBe('2');
  });

  test('as often as it says: after some, so many times, or a part of them that follows from the seed', async () => {
    await fault({ kind: 'organization', after: 1, times: 2, effect });
    const five = async () => {
      const statuses = [];
      for (let time = 0; time < 5; time++) statuses.push(await statusOf('/organization'));
      return statuses;
    };
    expect(await five()).toEqual([200, 500, 500, 200, 200]);

    const seeded = async (seed: number) => {
      const [id] = await fault({ kind: 'organization', rate: 0.4, seed, effect });
      const statuses = [...(await five()), ...(await five()), ...(await five()), ...(await five())];
      simulator.control.removeFault(id ?? 0);
      return statuses;
    };
    const [first, again, another] = [await seeded(3), await seeded(3), await seeded(4)];
    expect(again).toEqual(first);
    expect(another).not.toEqual(first);
    expect(first).toContain(200);
    expect(first).toContain(500);
  });
});

describe('faults over HTTP', () => {
  test('are listed with how often each has met and struck, and taken back one by one or all together', async () => {
    const [one, two] = (await fault([
      { kind: 'organization', after: 1, effect: { type: 'status', status: 500 } },
      { mailbox: mailbox.id, effect: { type: 'reset', moment: 'before' } },
    ])) as [number, number];
    await statusOf('/organization');
    await statusOf('/organization');
    const { value } = await client.sim<{ value: object[] }>('GET', '/faults');
    expect(value).toEqual([
      { id: one, kind: 'organization', after: 1, effect: { type: 'status', status: 500 }, met: 2, struck: 1 },
      { id: two, mailbox: mailbox.id, effect: { type: 'reset', moment: 'before' }, met: 0, struck: 0 },
    ]);
    await client.sim('DELETE', `/faults/${one}`);
    expect(await statusOf('/organization')).toBe(200);
    expect(simulator.control.faults().map(({ id }) => id)).toEqual([two]);
    await client.sim('DELETE', '/faults');
    expect(await client.sim('GET', '/faults')).toEqual({ value: [] });
  });

  test('are counted by what they did, rules that are gone included', async () => {
    simulator.control.resetStats();
    const [id] = await fault({ kind: 'organization', times: 2, effect: { type: 'status', status: 503 } });
    for (let time = 0; time < 3; time++) await statusOf('/organization');
    simulator.control.removeFault(id ?? 0);
    await fault({ kind: 'organization', effect: { type: 'reset', moment: 'before' } });
    await expect(client.get('/organization')).rejects.toThrow();
    expect(simulator.control.stats()).toMatchObject({
      faults: { 'status 503': 2, 'reset before': 1 },
      byStatus: { 0: 1, 200: 1, 503: 2 },
    });
  });

  test.each([
    ['no effect', { kind: 'messages' }, 'effect'],
    ['an unknown effect', { effect: { type: 'flood' } }, 'effect.type'],
    ['an unknown kind', { kind: 'mail', effect: { type: 'silence' } }, 'kind'],
    ['a member that does not exist', { mailbxo: 'x', effect: { type: 'silence' } }, 'mailbxo'],
    ['a status that is none of failure', { effect: { type: 'status', status: 200 } }, 'effect.status'],
    ['a rate above 1', { rate: 2, effect: { type: 'silence' } }, 'rate'],
    ['an unknown preset', { preset: 'wild' }, 'preset'],
    ['poison without a message', { effect: { type: 'poison' } }, 'message'],
    ['a message without its mailbox', { message: 'x', effect: { type: 'silence' } }, 'mailbox'],
  ])('with %s are refused, and the answer names it', async (_, body, named) => {
    const refusal = client.sim('POST', '/faults', body);
    await expect(refusal).rejects.toThrow(/^400 /);
    await expect(refusal).rejects.toThrow(named);
    expect(simulator.control.faults()).toEqual([]);
  });

  test('of a mailbox, folder or message that is not there are refused', async () => {
    const effect = { type: 'silence' } as const;
    for (const place of [
      { mailbox: 'nobody' },
      { mailbox: mailbox.id, folder: 'nowhere' },
      { mailbox: mailbox.id, message: 'x' },
    ]) {
      await expect(client.sim('POST', '/faults', { ...place, effect })).rejects.toThrow(/^404 /);
    }
  });
});

describe('the mixed preset', () => {
  test('strikes its part of all requests, in many ways, the same for the same seed', async () => {
    simulator.control.setLimits({ requestsPerSecond: null, mailboxRequests: null });
    const run = async (seed: number) => {
      simulator.control.resetStats();
      await fault({ preset: 'mixed', rate: 0.5, seed });
      const outcomes: string[] = [];
      for (let turn = 0; turn < 24; turn++) {
        const { status, error } = await plainGet(client, '/organization');
        outcomes.push(error ?? String(status));
      }
      simulator.control.clearFaults();
      return { outcomes, faults: simulator.control.stats().faults };
    };
    const { outcomes, faults } = await run(5);
    const struck = Object.values(faults).reduce((sum, each) => sum + each, 0);
    expect(struck).toBeGreaterThan(5);
    expect(struck).toBeLessThan(20);
    expect(Object.keys(faults).length).toBeGreaterThan(4);
    expect(new Set(outcomes)).toEqual(new Set([...outcomes, '200']));
    expect((await run(5)).faults).toEqual(faults);
  }, 60_000);

  test('can be for one mailbox', async () => {
    await fault({ preset: 'mixed', rate: 1, mailbox: mailbox.id, kind: 'mailFolder' });
    for (let turn = 0; turn < 3; turn++) expect(await statusOf(inboxOf(other))).toBe(200);
    expect(simulator.control.faults()[0]).toMatchObject({ met: 0 });
    await plainGet(client, inboxOf(mailbox));
    expect(simulator.control.faults()[0]).toMatchObject({ met: 1, struck: 1 });
  });
});
