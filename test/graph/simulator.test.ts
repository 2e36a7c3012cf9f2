import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GraphMailbox, PageRequest } from '../../graph/graph.ts';
import type { Connection } from '../../model/connection.ts';
import type { GraphMessage, RemovedMessage } from '../../model/mail.ts';
import { startSimulator, type Role, type Simulator } from '../../simulator/index.ts';
import { failureOf, open as openAt, unhurried, until, type OpenedGraph } from './support.ts';

const pem = (name: string): string => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url), 'utf8');

let simulator: Simulator;

beforeAll(async () => {
  const tenant = { mailboxes: 4, messages: 1_200, oddMessages: true, certificate: pem('certificate') };
  simulator = await startSimulator({ tenant });
});
afterAll(() => simulator.close());

function connection(change: Partial<Connection> = {}): Connection {
  const { tenantId, clientId, clientSecret } = simulator;
  return { tenantId, clientId, cloud: 'global', credential: { kind: 'secret', clientSecret }, ...change };
}

const open = (change: Partial<Connection> = {}): OpenedGraph => openAt(simulator.url, {}, connection(change));

const readable = () => simulator.control.truth.mailboxes().filter((mailbox) => mailbox.readable);

/** The id of a mailbox with mail that no other test changes: each test has its own. */
const mailboxId = (index: number): string => readable()[index]?.id ?? '';

/** Reads all pages of a folder; the delta link ends it. */
async function walk(mailbox: GraphMailbox, request: PageRequest) {
  const messages: GraphMessage[] = [];
  const removed: RemovedMessage[] = [];
  let pages = 0;
  for (let { link } = request; ;) {
    const page = await mailbox.messages({ ...request, link }, unhurried());
    pages += 1;
    messages.push(...page.messages);
    removed.push(...page.removed);
    link = page.next;
    if (link === undefined) return { messages, removed, pages, deltaLink: page.deltaLink };
  }
}

const idsOf = (messages: Iterable<{ id?: unknown }>): string[] => Array.from(messages, ({ id }) => String(id)).sort();

const truthOf = (mailbox: string, folder: string): string[] =>
  idsOf(Array.from(simulator.control.truth.messages({ mailbox, folder }), ({ message }) => message));

describe('Against the simulator', () => {
  test('standard folders are found by name three in a request, and one that is missing is absent', async () => {
    await using opened = open();
    const [mailbox] = readable().filter(({ folders }) =>
      folders.some(({ wellKnownName }) => wellKnownName === 'inbox'),
    );
    const known = new Map(mailbox?.folders.map(({ wellKnownName, id }) => [wellKnownName, id]));
    simulator.control.resetStats();
    const names = ['inbox', 'sentitems', 'drafts', 'clutter', 'conversationhistory', 'syncissues'];
    const found = await opened.graph.mailbox(mailbox?.id ?? '').foldersByName(names, unhurried());
    expect(new Map([...found].map(([name, { id }]) => [name, id]))).toEqual(
      new Map(names.flatMap((name) => (known.has(name) ? [[name, known.get(name)]] : []))),
    );
    expect(simulator.control.stats().byKind.batch).toBe(2);
  });

  test.each([
    ['denied', 'mailbox_denied'],
    ['unlicensed', 'mailbox_missing'],
  ])('standard folders of a mailbox that cannot be read are refused as the mailbox is: %s', async (kind, expected) => {
    await using opened = open();
    const id = simulator.control.truth.mailboxes().find((mailbox) => mailbox.kind === kind)?.id ?? '';
    const failure = await failureOf(opened.graph.mailbox(id).foldersByName(['inbox', 'drafts'], unhurried()));
    expect(failure).toMatchObject({ kind: expected });
  });

  test('all users are listed, in pages of any size', async () => {
    await using opened = open();
    const expected = idsOf(simulator.control.truth.mailboxes());
    for (const pageSize of [2, 999]) {
      const users = [];
      for await (const page of opened.graph.users({ pageSize }, unhurried())) users.push(...page.users);
      expect(idsOf(users)).toEqual(expected);
    }
  });

  test('the folder tree is that of the mailbox, hidden folders when asked for', async () => {
    await using opened = open();
    const [mailbox] = readable();
    const tree = await opened.graph.mailbox(mailbox?.id ?? '').folderTree({}, unhurried());
    const inTree = mailbox?.folders.filter((folder) => folder.inTree && folder.wellKnownName !== 'msgfolderroot') ?? [];
    expect(idsOf(tree)).toEqual(idsOf(inTree.filter(({ isHidden }) => !isHidden)));
    expect(idsOf(tree.filter(({ isVirtual }) => isVirtual))).toEqual(
      idsOf(inTree.filter(({ isSearchFolder, isHidden }) => isSearchFolder && !isHidden)),
    );
    const whole = await opened.graph.mailbox(mailbox?.id ?? '').folderTree({ includeHidden: true }, unhurried());
    expect(idsOf(whole)).toEqual(idsOf(inTree));
  });

  test('a folder read by delta, and by list, holds what the truth says', async () => {
    await using opened = open();
    const id = mailboxId(0);
    const mailbox = opened.graph.mailbox(id);
    for (const mode of ['delta', 'list'] as const) {
      const { messages, pages, deltaLink } = await walk(mailbox, { folderId: 'inbox', mode, pageSize: 7 });
      expect(idsOf(messages)).toEqual(truthOf(id, 'inbox'));
      expect(pages).toBeGreaterThan(1);
      expect(deltaLink === undefined).toBe(mode === 'list');
    }
    expect(await mailbox.messageCount('inbox', unhurried())).toBe(truthOf(id, 'inbox').length);
  });

  test('a list between two times holds the messages that arrived then', async () => {
    await using opened = open();
    const id = mailboxId(0);
    const times = Array.from(simulator.control.truth.messages({ mailbox: id, folder: 'inbox' }), ({ message }) =>
      JSON.stringify(message['receivedDateTime']).slice(1, -1),
    ).sort();
    const [since, until] = [times[Math.floor(times.length / 4)], times[Math.floor(times.length / 2)]];
    const request = { folderId: 'inbox', mode: 'list', pageSize: 5, since, until } as const;
    const { messages } = await walk(opened.graph.mailbox(id), request);
    const arrived = times.filter((time) => time >= (since ?? '') && time < (until ?? ''));
    expect(messages.map((message) => message['receivedDateTime'])).toEqual(arrived);
    expect((await opened.graph.mailbox(id).messages(request, unhurried())).count).toBe(arrived.length);
    const counts = await opened.graph.mailbox(id).messageCounts(['inbox'], { since, until }, unhurried());
    expect([...counts]).toEqual([['inbox', arrived.length]]);
  });

  test('the messages of many folders are counted at once, and a folder that is gone is left out', async () => {
    await using opened = open();
    const mailbox = opened.graph.mailbox(mailboxId(0));
    const tree = (await mailbox.folderTree({}, unhurried())).filter(({ isVirtual }) => !isVirtual);
    const { id: gone } = simulator.control.createFolder(mailboxId(0), 'inbox', 'Short-lived');
    simulator.control.removeFolder({ mailbox: mailboxId(0), folder: gone });
    const counts = await mailbox.messageCounts([...tree.map(({ id }) => id), gone], {}, unhurried());
    expect([...counts.keys()]).toEqual(tree.map(({ id }) => id));
    for (const { id } of tree) expect(counts.get(id)).toBe(truthOf(mailboxId(0), id).length);
  });

  test('messages with NUL characters and lone surrogates arrive, in pages that are suspicious', async () => {
    await using opened = open();
    let odd = 0;
    const folders = readable()[0]?.folders.filter(({ isSearchFolder }) => !isSearchFolder) ?? [];
    for (const { id } of folders) {
      const request = { folderId: id, mode: 'delta', pageSize: 1_000 } as const;
      const { messages, suspicious } = await opened.graph.mailbox(mailboxId(0)).messages(request, unhurried());
      const isOdd = /\\u0000|\\ud[89a-f]/.test(JSON.stringify(messages));
      if (isOdd) expect(suspicious).toBe(true);
      odd += isOdd ? 1 : 0;
    }
    expect(odd).toBeGreaterThan(0);
  });

  test('a delta round tells of new, changed, moved and deleted messages, and messages by id say where they went', async () => {
    await using opened = open();
    const id = mailboxId(1);
    const mailbox = opened.graph.mailbox(id);
    const { control } = simulator;
    const { deltaLink } = await walk(mailbox, { folderId: 'inbox', mode: 'delta', pageSize: 50 });
    const [deleted, moved, changed] = truthOf(id, 'inbox') as [string, string, string];
    const added = control.addMessage({ mailbox: id, folder: 'inbox' }, { subject: 'Just in' });
    control.removeMessage({ mailbox: id, id: deleted });
    control.moveMessage({ mailbox: id, id: moved }, 'deleteditems');
    control.changeMessage({ mailbox: id, id: changed }, { subject: 'Changed' });
    const round = await walk(mailbox, { folderId: 'inbox', mode: 'delta', pageSize: 50, link: deltaLink });
    expect(idsOf(round.messages)).toEqual([added.id, changed].sort());
    expect(idsOf(round.removed)).toEqual([deleted, moved].sort());
    const found = await mailbox.messagesById(
      [deleted, moved, added.id],
      { select: ['id', 'parentFolderId'] },
      unhurried(),
    );
    const bin = await mailbox.folder('deleteditems', unhurried());
    expect(found.get(deleted)).toBe('missing');
    expect(found.get(moved)).toMatchObject({ id: moved, parentFolderId: bin?.id });
    expect(await mailbox.message(added.id, {}, unhurried())).toMatchObject({ id: added.id, subject: 'Just in' });
    expect(await mailbox.message(deleted, {}, unhurried())).toBeUndefined();
  });

  test('an expired sync state is lost, a folder that is gone is missing', async () => {
    await using opened = open();
    const id = mailboxId(2);
    const mailbox = opened.graph.mailbox(id);
    const { deltaLink } = await walk(mailbox, { folderId: 'inbox', mode: 'delta', pageSize: 500 });
    simulator.control.expireDelta({ mailbox: id, folder: 'inbox' });
    const request = { folderId: 'inbox', mode: 'delta', pageSize: 500, link: deltaLink } as const;
    expect(await failureOf(mailbox.messages(request, unhurried()))).toMatchObject({
      kind: 'sync_state_lost',
      status: 410,
    });
    const made = simulator.control.createFolder(id, 'inbox', 'Soon gone');
    expect(await mailbox.folder(made.id, unhurried())).toMatchObject({ displayName: 'Soon gone' });
    simulator.control.removeFolder({ mailbox: id, folder: made.id });
    expect(await mailbox.folder(made.id, unhurried())).toBeUndefined();
    const gone = { folderId: made.id, mode: 'delta', pageSize: 5 } as const;
    expect(await failureOf(mailbox.messages(gone, unhurried()))).toMatchObject({ kind: 'folder_missing' });
  });

  test.each([
    ['guest', 'mailbox_missing'],
    ['unlicensed', 'mailbox_missing'],
    ['denied', 'mailbox_denied'],
  ] as const)('the mailbox of a user who is %s fails as %s', async (kind, expected) => {
    await using opened = open();
    const user = simulator.control.truth.mailboxes().find((mailbox) => mailbox.kind === kind);
    const mailbox = opened.graph.mailbox(user?.id ?? '');
    expect(await failureOf(mailbox.folder('inbox', unhurried()))).toMatchObject({ kind: expected });
    expect(await failureOf(mailbox.folder('archive', unhurried()))).toMatchObject({ kind: expected });
    expect(await failureOf(mailbox.folderTree({}, unhurried()))).toMatchObject({ kind: expected });
    const request = { folderId: 'inbox', mode: 'delta', pageSize: 5 } as const;
    expect(await failureOf(mailbox.messages(request, unhurried()))).toMatchObject({ kind: expected });
  });

  test.each(["x'y;z", 'a/b', 'ü 💌', 'x'.repeat(1_000), '%2e%2e', "inbox') or 1 eq 1"])(
    'ids like %j are ids of nothing',
    async (id) => {
      await using opened = open();
      expect(await opened.graph.mailbox(mailboxId(0)).folder(id, unhurried())).toBeUndefined();
      expect(await failureOf(opened.graph.mailbox(id).folder('inbox', unhurried()))).toMatchObject({
        kind: 'mailbox_missing',
      });
    },
  );

  test('a token that Graph takes back is renewed once, by however many requests', async () => {
    await using opened = open();
    const request = { folderId: 'inbox', mode: 'delta', pageSize: 5 } as const;
    const read = () => opened.graph.mailbox(mailboxId(3)).messages(request, unhurried());
    const tokensBefore = simulator.control.stats().tokens;
    await read();
    simulator.control.changeTenant({ revokeTokens: true });
    await Promise.all(Array.from({ length: 20 }, read));
    expect(simulator.control.stats().tokens - tokensBefore).toBe(2);
  });

  test('a certificate is as good as a secret', async () => {
    const credential = { kind: 'certificate', certificate: pem('certificate'), privateKey: pem('key') } as const;
    await using opened = open({ credential });
    expect(await opened.graph.checkCredential(unhurried())).toEqual({ mail: 'readable' });
  });

  test('the tenant can be named by its domain', async () => {
    await using opened = open({ tenantId: simulator.domain });
    expect(await opened.graph.checkCredential(unhurried())).toEqual({ mail: 'readable' });
  });
});

describe('The check of a credential against the simulator', () => {
  const wrong: readonly (readonly [string, () => Partial<Connection>, string, RegExp])[] = [
    [
      'a wrong secret',
      () => ({ credential: { kind: 'secret', clientSecret: 'not-the-secret' } }),
      'AADSTS7000215',
      /secret is wrong/,
    ],
    [
      'an unknown client',
      () => ({ clientId: '00000000-1111-2222-3333-444444444444' }),
      'AADSTS700016',
      /client id is unknown/,
    ],
    [
      'an unknown tenant',
      () => ({ tenantId: '00000000-1111-2222-3333-444444444444' }),
      'AADSTS90002',
      /tenant is unknown/,
    ],
    ['an unknown domain', () => ({ tenantId: 'elsewhere.example' }), 'AADSTS90002', /tenant is unknown/],
    ['a malformed tenant', () => ({ tenantId: 'nonsense' }), 'AADSTS900023', /malformed/],
  ];

  test.each(wrong)('refuses %s with a reason of its own', async (_name, change, code, reason) => {
    await using opened = open(change());
    const error = await failureOf(opened.graph.checkCredential(unhurried()));
    expect(error).toMatchObject({ kind: 'credential_refused', code, retryable: false });
    expect(error.reason).toMatch(reason);
  });

  test('refuses a certificate that is not registered', async () => {
    await using elsewhere = await startedWith({});
    const credential = { kind: 'certificate', certificate: pem('certificate'), privateKey: pem('key') } as const;
    await using opened = openAt(elsewhere.simulator.url, {}, { ...connectionOf(elsewhere.simulator), credential });
    const error = await failureOf(opened.graph.checkCredential(unhurried()));
    expect(error).toMatchObject({ kind: 'credential_refused', code: 'AADSTS700027' });
  });

  test('tells an expired secret from a wrong one', async () => {
    await using elsewhere = await startedWith({});
    elsewhere.simulator.control.changeTenant({ secretExpired: true });
    await using opened = openAt(elsewhere.simulator.url, {}, connectionOf(elsewhere.simulator));
    expect((await failureOf(opened.graph.checkCredential(unhurried()))).reason).toMatch(/expired.*AADSTS7000222/);
  });

  test.each([
    [['Mail.Read'], 'User.Read.All'],
    [['User.Read.All'], 'Mail.Read'],
    [[], 'User.Read.All'],
  ] as readonly (readonly [Role[], string])[])(
    'with %j consented to names the permission that is missing',
    async (roles, missing) => {
      await using elsewhere = await startedWith({});
      elsewhere.simulator.control.changeTenant({ roles: [...roles] });
      await using opened = openAt(elsewhere.simulator.url, {}, connectionOf(elsewhere.simulator));
      const error = await failureOf(opened.graph.checkCredential(unhurried()));
      expect(error).toMatchObject({ kind: 'permission_missing', status: 403 });
      expect(error.reason).toContain(`Application permissions, ${missing}`);
    },
  );

  test('takes mailboxes that a policy closes for just that', async () => {
    const users = [1, 2, 3].map((number) => ({ kind: 'denied', displayName: `Denied ${number}` }) as const);
    await using elsewhere = await startedWith({ mailboxes: 0, messages: 0, users });
    await using opened = openAt(elsewhere.simulator.url, {}, connectionOf(elsewhere.simulator));
    expect(await opened.graph.checkCredential(unhurried())).toMatchObject({ mail: 'denied' });
  });
});

describe('Faults of the simulator', () => {
  test('pass unnoticed where they are short', async () => {
    await using elsewhere = await startedWith({});
    const { simulator: sim } = elsewhere;
    await using opened = openAt(sim.url, {}, connectionOf(sim));
    const [mailbox] = sim.control.truth.mailboxes().filter((each) => each.readable);
    const request = { folderId: 'inbox', mode: 'delta', pageSize: 50 } as const;
    sim.control.failNext({ status: 429, code: 'ApplicationThrottled', retryAfter: '0.1', times: 1 });
    await opened.graph.mailbox(mailbox?.id ?? '').messages(request, unhurried());
    sim.control.failNext({ status: 503, code: 'MailboxInfoStale', times: 1 });
    await opened.graph.mailbox(mailbox?.id ?? '').messages(request, unhurried());
    expect(opened.lines.map(({ message }) => message)).toEqual(['Rate limited', 'Retrying a Graph request']);
  });

  test('and holds end with the signal', async () => {
    await using elsewhere = await startedWith({});
    const { simulator: sim } = elsewhere;
    await using opened = openAt(sim.url, {}, connectionOf(sim));
    const [mailbox] = sim.control.truth.mailboxes().filter((each) => each.readable);
    sim.control.hold({ kind: 'messagesDelta' });
    const controller = new AbortController();
    const request = { folderId: 'inbox', mode: 'delta', pageSize: 50 } as const;
    const held = opened.graph.mailbox(mailbox?.id ?? '').messages(request, controller.signal);
    const outcome = expect(held).rejects.toThrow('enough');
    await until(() => sim.control.stats().inFlight === 1);
    controller.abort(new Error('enough'));
    await outcome;
  });

  test('never see more than three requests of a mailbox at a time', async () => {
    await using elsewhere = await startedWith({});
    const { simulator: sim } = elsewhere;
    await using opened = openAt(sim.url, {}, connectionOf(sim));
    const mailboxes = sim.control.truth.mailboxes().filter((each) => each.readable);
    sim.control.setLatency(5);
    await Promise.all(
      mailboxes.map(async ({ id }) => {
        const mailbox = opened.graph.mailbox(id);
        const tree = await mailbox.folderTree({ includeHidden: true }, unhurried());
        const read = tree.filter(({ isVirtual }) => !isVirtual);
        await Promise.all(read.map((folder) => walk(mailbox, { folderId: folder.id, mode: 'delta', pageSize: 20 })));
      }),
    );
    const peaks = Object.values(sim.control.stats().mailboxes).map(({ peakConcurrency }) => peakConcurrency);
    expect(Math.max(...peaks)).toBe(3);
  });
});

test('Graph sees four requests of a mailbox at a time at most, whatever runs, another client among it', async () => {
  await using elsewhere = await startedWith({});
  const { simulator: sim } = elsewhere;
  await using reader = openAt(sim.url, {}, connectionOf(sim));
  await using candidate = openAt(sim.url, {}, connectionOf(sim));
  const id = sim.control.truth.mailboxes().find((each) => each.readable)?.id ?? '';
  const mailbox = reader.graph.mailbox(id);
  const ids = idsOf(Array.from(sim.control.truth.messages({ mailbox: id }), ({ message }) => message));
  sim.control.setLatency(5);
  let reading = true;
  const probing = (async () => {
    while (reading) await candidate.graph.checkCredential(unhurried(), [id]);
  })();
  await Promise.all([
    walk(mailbox, { folderId: 'inbox', mode: 'delta', pageSize: 5 }),
    walk(mailbox, { folderId: 'sentitems', mode: 'list', pageSize: 5 }),
    mailbox.messagesById(ids, {}, unhurried()),
    mailbox.foldersByName(['inbox', 'sentitems', 'drafts', 'archive', 'deleteditems'], unhurried()),
    mailbox.folderTree({ includeHidden: true }, unhurried()),
    mailbox.messagePiecemeal(ids[0] ?? '', {}, unhurried()),
    mailbox.messageIds('inbox', { pageSize: 100 }, unhurried()),
    mailbox.messageCount('inbox', unhurried()),
  ]);
  reading = false;
  await probing;
  const { mailboxes, byStatus } = sim.control.stats();
  expect(mailboxes[id]?.peakConcurrency).toBeLessThanOrEqual(4);
  expect(byStatus).not.toHaveProperty('429');
});

async function startedWith(tenant: Parameters<typeof startSimulator>[0]['tenant']) {
  const started = await startSimulator({ tenant: { mailboxes: 2, messages: 120, ...tenant } });
  return { simulator: started, [Symbol.asyncDispose]: () => started.close() };
}

function connectionOf({ tenantId, clientId, clientSecret }: Simulator): Connection {
  return { tenantId, clientId, cloud: 'global', credential: { kind: 'secret', clientSecret } };
}
