import { describe, expect, test } from 'vitest';
import { json, refuse, scripted, type Script } from './scripted-server.ts';
import { failureOf, open, unhurried } from './support.ts';

const message: Script = (_request, response) => json(response, 200, { id: 'x' });

/** Throttles the first request of the app as a whole. */
function throttledOnce(retryAfter: string): Script {
  let first = true;
  const refusing: Script = (_request, response) =>
    refuse(response, 429, 'TooManyRequests', { 'retry-after': retryAfter });
  return (request, response) => {
    const script = first ? refusing : message;
    first = false;
    return script(request, response);
  };
}

describe('Throttling of the app as a whole', () => {
  test('for long holds back every mailbox without a request, and tells each how long to wait', async () => {
    await using server = await scripted(throttledOnce('600'));
    await using opened = open(server.url);
    const read = (mailbox: string) => failureOf(opened.graph.mailbox(mailbox).message('x', {}, unhurried()));
    expect(await read('a')).toMatchObject({ kind: 'throttled', scope: 'connection', retryAfterMs: 600_000 });
    for (const mailbox of ['b', 'c', 'a']) {
      const refused = await read(mailbox);
      expect(refused).toMatchObject({ kind: 'throttled', scope: 'connection' });
      expect(refused.retryAfterMs).toBeGreaterThan(590_000);
    }
    expect(server.seen).toHaveLength(1);
  });

  test('that strikes the listing of users holds back mailboxes, too', async () => {
    await using server = await scripted((_request, response) =>
      refuse(response, 429, 'ApplicationThrottled', { 'retry-after': '60' }),
    );
    await using opened = open(server.url);
    expect(await failureOf(opened.graph.usersPage({}, unhurried()))).toMatchObject({ scope: 'connection' });
    expect(await failureOf(opened.graph.mailbox('u').message('x', {}, unhurried()))).toMatchObject({
      scope: 'connection',
    });
    expect(server.seen).toHaveLength(1);
  });

  test('for a short time is waited for by every mailbox', async () => {
    await using server = await scripted(throttledOnce('0.4'));
    await using opened = open(server.url);
    const startedAt = performance.now();
    const first = opened.graph.mailbox('a').message('x', {}, unhurried());
    await expect.poll(() => server.seen.length).toBe(1);
    await Promise.all([first, opened.graph.mailbox('b').message('x', {}, unhurried())]);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(400);
    expect(server.seen).toHaveLength(3);
  });

  test('leaves other connections alone', async () => {
    await using server = await scripted(throttledOnce('600'));
    await using one = open(server.url);
    await using other = open(server.url);
    await failureOf(one.graph.mailbox('a').message('x', {}, unhurried()));
    expect(await other.graph.mailbox('a').message('x', {}, unhurried())).toEqual({ id: 'x' });
  });
});
