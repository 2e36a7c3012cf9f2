import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { MOST_LISTED_BYTES } from '../../graph/attachments.ts';
import type { GraphMailbox } from '../../graph/graph.ts';
import { startSimulator, type Simulator } from '../../simulator/index.ts';
import { readAttachments } from '../../simulator/control/read-attachment.ts';
import { LeaseLost } from '../../store/errors.ts';
import { scripted, type Script } from './scripted-server.ts';
import { failureOf, open as openAt, unhurried, until, type OpenedGraph } from './support.ts';

let simulator: Simulator;
let mailbox: string;
beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 1, messages: 1, specialUsers: false, oddMessages: false } });
  mailbox = simulator.control.truth.mailboxes()[0]?.id ?? '';
});
afterAll(() => simulator.close());
afterEach(() => simulator.control.clearFaults());

function open(): OpenedGraph {
  const { tenantId, clientId, clientSecret } = simulator;
  const credential = { kind: 'secret', clientSecret } as const;
  return openAt(simulator.url, { maxRetries: 1 }, { tenantId, clientId, cloud: 'global', credential });
}

/** A message with these attachments, as the simulator's control API takes them, and what they really are. */
async function arrive(...attachments: readonly object[]) {
  const { id } = simulator.control.addMessage({ mailbox, folder: 'inbox' }, {}, readAttachments(attachments));
  const { value: truth } = await simulator.control.attachments.truth.page({ mailbox, message: id });
  return { id, truth };
}

const file = (name: string, bytes: number, seed = 1) => ({ kind: 'file', name, bytes, seed });
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function hashOf(bytes: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of bytes) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

const content = (from: GraphMailbox, messageId: string, attachmentId: string): Promise<string> =>
  from.attachmentContent({ messageId, attachmentId }, hashOf, unhurried());

describe('The attachments of a message', () => {
  test('come in one request, small files with their bytes, and nothing of them stays in what is said of them', async () => {
    await using opened = open();
    const { id, truth } = await arrive(
      file('a.txt', 1_000),
      file('empty.txt', 0),
      { kind: 'item', name: 'A mail', item: { subject: 'inside' } },
      { kind: 'reference', name: 'A link' },
      { ...file('picture.png', 10), isInline: true, contentId: 'picture@here' },
    );
    simulator.control.resetStats();
    const found = await opened.graph.mailbox(mailbox).attachments(id, { contents: true }, unhurried());
    expect(simulator.control.stats().byKind).toEqual({ attachments: 1 });
    expect(found.attachments.map(({ attachment }) => attachment.id)).toEqual(truth.map((one) => one.id));
    expect(found.attachments.map(({ content }) => content && sha256(content))).toEqual(
      truth.map(({ kind, sha256 }) => (kind === 'file' ? sha256 : undefined)),
    );
    expect(JSON.stringify(found.attachments.map(({ attachment }) => attachment))).not.toContain('contentBytes');
    expect(found.attachments[4]?.attachment).toMatchObject({ contentId: 'picture@here', isInline: true });
  });

  test('come without bytes where these would be too many, or one spoils the list', async () => {
    await using opened = open();
    const from = opened.graph.mailbox(mailbox);
    const { id } = await arrive(file('a.bin', 2_000_000), { ...file('b.bin', 2_000_000, 2), contentId: 'b' });
    expect(await failureOf(from.attachments(id, { contents: true }, unhurried()))).toMatchObject({
      kind: 'body_too_large',
    });
    const found = await from.attachments(id, { contents: false }, unhurried());
    expect(found.bytes).toBeLessThan(MOST_LISTED_BYTES / 1000);
    expect(found.attachments.map(({ attachment: { name, contentId } }) => [name, contentId])).toEqual([
      ['a.bin', null],
      ['b.bin', 'b'],
    ]);
  });

  test('are those of all pages', async () => {
    await using opened = open();
    const { id } = await arrive(file('a', 1), file('b', 2), file('c', 3));
    simulator.control.addFault({ kind: 'attachments', effect: { type: 'ignoreTop', size: 1 } });
    const found = await opened.graph.mailbox(mailbox).attachments(id, { contents: true }, unhurried());
    expect(found.attachments.map(({ attachment: { name } }) => name)).toEqual(['a', 'b', 'c']);
    simulator.control.clearFaults();
    simulator.control.addFault({ kind: 'attachments', effect: { type: 'ignoreTop', size: 1 } });
    simulator.control.addFault({ kind: 'attachments', effect: { type: 'sameLink' } });
    expect(
      await failureOf(opened.graph.mailbox(mailbox).attachments(id, { contents: true }, unhurried())),
    ).toMatchObject({ code: 'LinkLoop' });
  });

  test('of a message that is not there are an error that says so', async () => {
    await using opened = open();
    const { id } = await arrive(file('a', 1));
    simulator.control.removeMessage({ mailbox, id });
    expect(
      await failureOf(opened.graph.mailbox(mailbox).attachments(id, { contents: true }, unhurried())),
    ).toMatchObject({ kind: 'item_missing', code: 'ErrorItemNotFound' });
  });

  test('are listed without what Graph does not let select', async () => {
    const paths: string[] = [];
    await using server = await scripted(({ path }, response) => {
      paths.push(decodeURIComponent(path));
      const refused = path.includes('contentId');
      response.writeHead(refused ? 400 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(refused ? { error: { code: 'BadRequest', message: '' } } : { value: [{ id: 'a' }] }));
    });
    await using opened = openAt(server.url);
    const found = await opened.graph.mailbox('m').attachments('1', { contents: false }, unhurried());
    expect(found.attachments).toEqual([{ attachment: { id: 'a' } }]);
    expect(paths).toHaveLength(2);
  });

  test('have no content where what came is not Base64 from end to end', async () => {
    const value = ['AAAA', 'AAA', 'A-A!', null, ''].map((contentBytes, at) => ({ id: String(at), contentBytes }));
    await using server = await scripted((_, response) => void response.end(JSON.stringify({ value })));
    await using opened = openAt(server.url);
    const found = await opened.graph.mailbox('m').attachments('1', { contents: true }, unhurried());
    expect(found.attachments.map(({ content }) => content?.length)).toEqual([3, undefined, undefined, undefined, 0]);
  });
});

describe('The bytes of an attachment', () => {
  test('are those of a file of any size, and the MIME text of a message', async () => {
    await using opened = open();
    const { id, truth } = await arrive(file('large.bin', 20_000_000), {
      kind: 'item',
      name: 'A mail',
      item: { subject: 'inside' },
    });
    for (const one of truth) expect(await content(opened.graph.mailbox(mailbox), id, one.id)).toBe(one.sha256);
  });

  test('are asked for once more where they break off, and given to a new taker', async () => {
    await using opened = open();
    const { id, truth } = await arrive(file('large.bin', 3_000_000));
    const rule = simulator.control.addFault({
      kind: 'attachmentValue',
      times: 1,
      effect: { type: 'reset', moment: 'during' },
    });
    const [one] = truth;
    expect(await content(opened.graph.mailbox(mailbox), id, one?.id ?? '')).toBe(one?.sha256);
    expect(rule).toBeDefined();
    expect(opened.reports.filter(({ kind }) => kind === 'attachment')).toMatchObject([
      { code: expect.stringMatching(/Truncated|NetworkError/) as string },
      { status: 200, bytes: 3_000_000 },
    ]);
  });

  test('are asked for once more where they are fewer than they can be, and nobody takes them for all', async () => {
    await using opened = open();
    const { id, truth } = await arrive(file('large.bin', 3_000_000));
    const [one] = truth;
    const wanted = { messageId: id, attachmentId: one?.id ?? '', leastBytes: 2_000_000 };
    const ask = () => opened.graph.mailbox(mailbox).attachmentContent(wanted, hashOf, unhurried());
    const effect = { type: 'truncate', of: 'any' } as const;
    simulator.control.addFault({ kind: 'attachmentValue', times: 1, effect });
    expect(await ask()).toBe(one?.sha256);
    simulator.control.addFault({ kind: 'attachmentValue', effect });
    const error = await failureOf(ask());
    expect(error).toMatchObject({ kind: 'server_error', code: 'Truncated', status: 200, retryable: true });
    expect(error.message).toContain('1500000 bytes of 2000000');
    expect(error.requestId).toBeDefined();
  });

  test('are not all where fewer come than the answer announces', async () => {
    await using server = await scripted((_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('a'.repeat(50), () => response.destroy());
    });
    await using opened = openAt(server.url, { maxRetries: 0 });
    expect(await failureOf(content(opened.graph.mailbox('m'), '1', 'a'))).toMatchObject({ code: 'Truncated' });
  });

  test('of a link are refused', async () => {
    await using opened = open();
    const { id, truth } = await arrive({ kind: 'reference', name: 'A link' });
    expect(await failureOf(content(opened.graph.mailbox(mailbox), id, truth[0]?.id ?? ''))).toMatchObject({
      status: 405,
      kind: 'bad_request',
    });
  });

  test('that cannot be read have an error with code and request id', async () => {
    await using opened = open();
    const { id, truth } = await arrive(file('broken.pdf', 10));
    const attachment = truth[0]?.id ?? '';
    simulator.control.addFault({ mailbox, message: id, attachment, effect: { type: 'poison' } });
    const error = await failureOf(content(opened.graph.mailbox(mailbox), id, attachment));
    expect(error).toMatchObject({ kind: 'poison', code: 'ErrorCannotOpenFileAttachment' });
    expect(error.requestId).toBeDefined();
  });

  test('take one of the mailbox’s slots until they are taken', async () => {
    await using opened = open();
    const from = opened.graph.mailbox(mailbox);
    const { id, truth } = await arrive(file('large.bin', 5_000_000));
    const attachmentId = truth[0]?.id ?? '';
    const takers: ((bytes: Readable) => void)[] = [];
    const letGo: (() => void)[] = [];
    const reading = [1, 2, 3].map(() =>
      from.attachmentContent(
        { messageId: id, attachmentId },
        async (bytes) => {
          takers.push(() => bytes);
          await new Promise<void>((resolve) => letGo.push(resolve));
          return hashOf(bytes);
        },
        unhurried(),
      ),
    );
    await until(() => takers.length === 3);
    let answered = false;
    const fourth = from.folder('inbox', unhurried()).then(() => (answered = true));
    expect(answered).toBe(false);
    letGo[0]?.();
    await fourth;
    for (const go of letGo) go();
    expect(await Promise.all(reading)).toEqual([1, 2, 3].map(() => truth[0]?.sha256));
  });

  test('stop with the right to read the mailbox, and with the signal', async () => {
    await using opened = open();
    const { id, truth } = await arrive(file('large.bin', 50_000_000));
    const place = { messageId: id, attachmentId: truth[0]?.id ?? '' };
    let held = true;
    const from = opened.graph.mailbox(mailbox, {
      permit: () => {
        if (!held) throw new LeaseLost(mailbox);
      },
    });
    const lose = async (bytes: Readable): Promise<void> => {
      for await (const _ of bytes) held = false;
    };
    await expect(from.attachmentContent(place, lose, unhurried())).rejects.toBeInstanceOf(LeaseLost);
    const stopping = new AbortController();
    const stop = async (bytes: Readable): Promise<void> => {
      for await (const _ of bytes) stopping.abort(new Error('enough'));
    };
    held = true;
    await expect(from.attachmentContent(place, stop, stopping.signal)).rejects.toThrow('enough');
  });

  test('that the taker does not want end the request', async () => {
    await using opened = open();
    const { id, truth } = await arrive(file('large.bin', 50_000_000));
    const place = { messageId: id, attachmentId: truth[0]?.id ?? '' };
    const full = () => Promise.reject(new Error('the disk is full'));
    await expect(opened.graph.mailbox(mailbox).attachmentContent(place, full, unhurried())).rejects.toThrow('full');
    await until(() => opened.reports.filter(({ kind }) => kind === 'attachment').length === 1);
  });

  test('have to keep coming, and fast enough', async () => {
    const patience = { requestTimeoutMs: 300, maxRetries: 0 };
    /** Sends so many bytes each time. */
    const sending =
      (bytes: number, everyMs: number, times: number): Script =>
      (_, response) => {
        let sent = 0;
        response.writeHead(200);
        response.flushHeaders();
        const timer = setInterval(() => {
          if (sent++ < times) response.write(Buffer.alloc(bytes));
          else response.end();
        }, everyMs);
        response.on('close', () => clearInterval(timer));
      };
    const read = async (script: Script) => {
      await using server = await scripted(script);
      await using opened = openAt(server.url, patience);
      return await content(opened.graph.mailbox('m'), '1', 'a').then(
        () => 'whole',
        (error: Error & { code?: string }) => error.code,
      );
    };
    expect(await read(sending(200_000, 40, 20))).toBe('whole');
    expect(await read(sending(1, 40, 100))).toBe('Timeout');
    expect(await read((_, response) => void response.writeHead(200).write('a'))).toBe('Timeout');
  });

  test('are taken as they are: an encoding that was not asked for is refused', async () => {
    await using server = await scripted((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('packed');
    });
    await using opened = openAt(server.url, { maxRetries: 0 });
    expect(await failureOf(content(opened.graph.mailbox('m'), '1', 'a'))).toMatchObject({ code: 'Truncated' });
    expect(server.seen[0]?.headers['accept-encoding']).toBe('identity');
  });
});
