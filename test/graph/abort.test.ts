import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Graph } from '../../graph/graph.ts';
import { json, issueToken, refuse, scripted, type Script, type ScriptedServer } from './scripted-server.ts';
import { CONNECTION, failureOf, open, unhurried, until } from './support.ts';

/** A deadline that nothing else in the process has. */
const DEADLINE_MS = 28_765;

afterEach(() => vi.restoreAllMocks());

const page: Script = ({ headers }, response) =>
  json(response, 200, { value: [], '@odata.deltaLink': `http://${headers['host']}/v1.0/d` });
const silence: Script = () => undefined;
const headersOnly: Script = (_request, response) => void response.writeHead(200).flushHeaders();
const throttled: Script = (_request, response) => refuse(response, 429, 'ApplicationThrottled', { 'retry-after': '5' });

const read = (graph: Graph, signal: AbortSignal): Promise<unknown> =>
  graph.mailbox('u').messages({ folderId: 'f', mode: 'delta', pageSize: 10 }, signal);

/** What is under way when the signal aborts: the scripts of Graph and Entra, and when that state is reached. */
const PHASES: readonly (readonly [string, Script, Script, (server: ScriptedServer) => boolean])[] = [
  ['the token is asked for', page, silence, ({ entra }) => entra.length === 1],
  ['Graph has not answered', silence, issueToken, ({ seen }) => seen.length === 3],
  ['the body is under way', headersOnly, issueToken, ({ seen }) => seen.length === 3],
  ['a throttled request waits', throttled, issueToken, ({ seen }) => seen.length >= 1],
];

describe('Aborting', () => {
  test.each(PHASES)(
    'while %s ends every request with the reason, and leaves no timer and no listener',
    async (...phase) => {
      const [, graph, entra, isReached] = phase;
      await using server = await scripted(graph, { entra });
      const timers = deadlineTimers();
      await using opened = open(server.url, { requestTimeoutMs: DEADLINE_MS });
      const controller = new AbortController();
      const reason = new Error('the worker stops');
      // Ten requests: three under way, seven waiting for a slot of the mailbox.
      const reads = Array.from({ length: 10 }, () => read(opened.graph, controller.signal));
      const outcomes = Promise.allSettled(reads);
      await until(() => isReached(server));
      controller.abort(reason);
      for (const outcome of await outcomes) expect(outcome).toEqual({ status: 'rejected', reason });
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
      await opened.graph.close();
      await until(() => server.openSockets() === 0);
      expect(timers.made()).toBeGreaterThan(0);
      expect(timers.left()).toEqual([]);
    },
  );

  test('one request leaves the others alone, those that wait for the same token too', async () => {
    const release: (() => void)[] = [];
    const entra: Script = (request, response) => void release.push(() => void issueToken(request, response));
    await using server = await scripted(page, { entra });
    await using opened = open(server.url);
    const controller = new AbortController();
    const [leaving, staying] = [read(opened.graph, controller.signal), read(opened.graph, unhurried())];
    await until(() => release.length === 1);
    controller.abort(new Error('left'));
    await expect(leaving).rejects.toThrow('left');
    release[0]?.();
    await expect(staying).resolves.toMatchObject({ messages: [] });
    expect(server.entra).toHaveLength(1);
  });

  test('before the start asks nobody', async () => {
    await using server = await scripted(page);
    await using opened = open(server.url);
    await expect(read(opened.graph, AbortSignal.abort(new Error('early')))).rejects.toThrow('early');
    expect([server.entra.length, server.seen.length]).toEqual([0, 0]);
  });

  test('is not needed where the right to read a mailbox has ended: no request goes out, waiting or tried again', async () => {
    let held = true;
    await using server = await scripted((_request, response) => {
      held = false;
      refuse(response, 503, 'ServiceUnavailable');
    });
    await using opened = open(server.url);
    const lost = new Error('the lease is lost');
    const permit = (): void => {
      if (!held) throw lost;
    };
    const mailbox = opened.graph.mailbox('u', { permit });
    const reads = Array.from({ length: 5 }, () => mailbox.message('x', {}, unhurried()));
    for (const outcome of await Promise.allSettled(reads)) expect(outcome).toMatchObject({ reason: lost });
    expect(server.seen.length).toBeLessThanOrEqual(3);
  });

  test('a walk over the folder tree ends all of its requests', async () => {
    await using server = await scripted(silence);
    await using opened = open(server.url);
    const controller = new AbortController();
    const walk = opened.graph.mailbox('u').folderTree({}, controller.signal);
    await until(() => server.seen.length === 1);
    controller.abort(new Error('enough'));
    await expect(walk).rejects.toThrow('enough');
  });
});

describe('Closing', () => {
  test('ends what is under way and closes every socket', async () => {
    await using server = await scripted(silence);
    await using opened = open(server.url);
    const outcome = failureOf(read(opened.graph, unhurried()));
    await until(() => server.seen.length === 1);
    await opened.graph.close();
    expect(await outcome).toMatchObject({ code: 'Closed' });
    await until(() => server.openSockets() === 0);
    expect(await failureOf(read(opened.graph, unhurried()))).toMatchObject({ code: 'Closed' });
  });

  test('of a graph that was never used is no trouble', async () => {
    await using opened = open('https://127.0.0.1:9', {}, CONNECTION);
    await opened.graph.close();
  });
});

/** Watches the timers that the room sets for its deadlines. */
function deadlineTimers() {
  const made = vi.spyOn(globalThis, 'setTimeout');
  const cleared = vi.spyOn(globalThis, 'clearTimeout');
  const handles = () => made.mock.results.filter((_, call) => made.mock.calls[call]?.[1] === DEADLINE_MS);
  return {
    made: () => handles().length,
    left: () => handles().filter(({ value }) => !cleared.mock.calls.some(([timer]) => timer === value)),
  };
}
