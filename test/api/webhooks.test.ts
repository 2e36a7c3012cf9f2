import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type ClientRequest } from 'node:http';
import type { Client } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../config/config.ts';
import { parseKeyRing } from '../../config/key-ring.ts';
import { createTemporalClient } from '../../temporal/connection.ts';
import { sessionWorkflowId } from '../../model/ids.ts';
import { SIGNAL_LOST_AFTER_MS } from '../../model/session.ts';
import { taskQueues } from '../../model/task-queues.ts';
import {
  hintsOf,
  lifecycleOf,
  notificationOf,
  readerSignals,
  seedSession,
  signalsOf,
  type TestSession,
  type TestSubscription,
} from './support/notifications.ts';
import { openApiStage, type ApiStage } from './support/stage.ts';

const PATH = '/webhooks/graph';
const TOKEN = 'Validation: Testing client application reachability for subscription Request-Id: 6a+b=';
const UNTIL = { timeout: 20_000, interval: 100 };

let stage: ApiStage;
let client: Client;
let session: TestSession;
let mailbox: TestSubscription;

beforeAll(async () => {
  stage = await openApiStage();
  const { config } = loadConfig(stage.environment);
  const { address = '', namespace } = config.temporal;
  client = await createTemporalClient({ address, namespace }, parseKeyRing(stage.environment['OUTHAUL_KEYS'] ?? ''));
});
afterAll(async () => {
  await client.connection.close();
  await stage.close();
});

beforeEach(async () => {
  session = await seedSession(stage.db, `org-${randomUUID()}`, 3);
  [mailbox] = session.subscriptions;
});

const send = (body: string, path = PATH): Promise<Response> =>
  fetch(`${stage.api.url}${path}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });

const notify = (...value: object[]): Promise<Response> => send(JSON.stringify({ value }));
const tell = (...value: object[]): Promise<Response> => send(JSON.stringify({ value }), `${PATH}/lifecycle`);
const hints = (): Promise<string[]> => hintsOf(stage.db, session.organizationId);

async function counted(): Promise<object> {
  const { rows } = await stage.db.pool.query<object>(
    `SELECT notifications_taken AS taken, notifications_joined AS joined, notifications_refused AS refused
      FROM outhaul.sessions WHERE session_no = $1`,
    [session.sessionNo],
  );
  return rows[0] ?? {};
}

/** How often this process has refused something for that reason, as scrapers are told. */
async function refused(reason: string): Promise<number> {
  const { body } = await stage.call('GET', '/metrics', { headers: { Accept: 'text/plain' } });
  const text = body['text'] as unknown as string;
  return Number(new RegExp(`^outhaul_receiver_refusals_total{reason="${reason}"} (\\d+)`, 'm').exec(text)?.[1] ?? -1);
}

describe('the handshake', () => {
  it.each([PATH, `${PATH}/lifecycle`])('of %s is answered with the token, decoded, as plain text', async (path) => {
    const query = 'Validation%3a+Testing+client+application+reachability+for+subscription+Request-Id%3a+6a%2bb%3d';
    const answer = await fetch(`${stage.api.url}${path}?validationToken=${query}`, {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain; charset=utf-8' },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await answer.text()).toBe(TOKEN);
  });

  it('sends nothing back that a browser could take for markup', async () => {
    const answer = await send('', `${PATH}?validationToken=${encodeURIComponent('<script>alert("1")</script>')}`);
    expect(await answer.text()).toBe('&lt;script&gt;alert("1")&lt;/script&gt;');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it.each([
    ['is empty', 'validationToken='],
    ['is longer than any of Graph', `validationToken=${'x'.repeat(1_001)}`],
    ['comes twice', 'validationToken=1&validationToken=2'],
  ])('is refused when the token %s', async (_what, query) => {
    const answer = await send('', `${PATH}?${query}`);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: 'Bad Request', details: [{ path: 'validationToken' }] });
  });
});

describe('a notification', () => {
  it('is accepted without a key once its hint is committed, and wakes the reader of its mailbox', async () => {
    const answer = await notify(notificationOf(mailbox, 'message-1'));
    expect(answer.status).toBe(202);
    expect(await hints()).toEqual(['message-1']);
    await vi.waitFor(async () => expect(await readerSignals(client, mailbox)).toContain('readRequested'), UNTIL);
    await vi.waitFor(async () => expect(await counted()).toEqual({ taken: 1, joined: 0, refused: 0 }), UNTIL);
    const { rows } = await stage.db.pool.query(
      `SELECT last_notification_at IS NOT NULL AND notified_at IS NOT NULL AS noted FROM outhaul.sessions
        JOIN outhaul.session_mailboxes USING (session_no) WHERE session_no = $1 AND mailbox_id = $2`,
      [session.sessionNo, mailbox.mailboxId],
    );
    expect(rows).toEqual([{ noted: true }]);
  });

  it('may come with those of other mailboxes and organizations', async () => {
    const other = await seedSession(stage.db, `org-${randomUUID()}`);
    const all = [...session.subscriptions, ...other.subscriptions];
    expect((await notify(...all.map((each) => notificationOf(each, 'the-same-id')))).status).toBe(202);
    expect(await hints()).toHaveLength(3);
    expect(await hintsOf(stage.db, other.organizationId)).toEqual(['the-same-id']);
    for (const each of all) {
      await vi.waitFor(async () => expect(await readerSignals(client, each)).toContain('readRequested'), UNTIL);
    }
  });

  it('of a burst shares a statement with others, and the mailbox gets one signal for all of them, or two', async () => {
    const messages = Array.from({ length: 100 }, (_, index) => `burst-${String(index).padStart(3, '0')}`);
    const begun = performance.now();
    // On a machine that is short of breath some are told to come again, as Graph does.
    const accepted = (id: string) =>
      vi.waitFor(async () => expect((await notify(notificationOf(mailbox, id))).status).toBe(202), UNTIL);
    await Promise.all(messages.map(accepted));
    const { rows } = await stage.db.pool.query<{ statements: number; hints: number }>(
      `SELECT count(DISTINCT xmin::text)::int AS statements, count(*)::int AS hints FROM outhaul.hints
        WHERE organization_id = $1`,
      [session.organizationId],
    );
    expect(rows[0]?.hints).toBe(100);
    expect(rows[0]?.statements).toBeLessThan(50);
    await accepted('later');
    const signals = await vi.waitFor(async () => (await readerSignals(client, mailbox)) ?? expect.fail('none'), UNTIL);
    // Two statements run at a time, and the first two may both find no hint that waits; the relay asks again after a while.
    const again = Math.floor((performance.now() - begun) / SIGNAL_LOST_AFTER_MS);
    expect(signals.length).toBeGreaterThan(0);
    expect(signals.length).toBeLessThanOrEqual(2 + again);
  });

  it('of a message that a hint waits for renews that, and is counted as joined', async () => {
    const numberOf = async (): Promise<string | undefined> => {
      const { rows } = await stage.db.pool.query<{ no: string }>(
        'SELECT hint_no::text AS no FROM outhaul.hints WHERE organization_id = $1',
        [session.organizationId],
      );
      expect(rows).toHaveLength(1);
      return rows[0]?.no;
    };
    await notify(notificationOf(mailbox, 'message-1'));
    const before = await numberOf();
    await notify(notificationOf(mailbox, 'message-1'), notificationOf(mailbox, 'message-1'));
    expect(await numberOf()).not.toBe(before);
    await vi.waitFor(async () => expect(await counted()).toEqual({ taken: 3, joined: 2, refused: 0 }), UNTIL);
  });

  it('may come before the store has heard of its subscription', async () => {
    const { subscriptionId } = mailbox;
    const set = (id: string): Promise<unknown> =>
      stage.db.pool.query('UPDATE outhaul.subscriptions SET subscription_id = $1 WHERE mailbox_id = $2', [
        id,
        mailbox.mailboxId,
      ]);
    await set(randomUUID());
    const answer = notify(notificationOf(mailbox, 'message-1'));
    await set(subscriptionId);
    expect((await answer).status).toBe(202);
    expect(await hints()).toEqual(['message-1']);
  });
});

describe('a notification that Graph has not sent, or that tells nothing', () => {
  const without = (member: string): object => ({ ...notificationOf(mailbox, 'message-1'), [member]: undefined });

  it.each<[string, () => object, string, number]>([
    ['with a wrong client state', () => notificationOf(mailbox, 'm', { clientState: 'guessed' }), 'forged', 1],
    ['without a client state', () => without('clientState'), 'forged', 1],
    [
      "with another mailbox's client state",
      () => notificationOf(mailbox, 'm', { clientState: session.subscriptions[1]?.clientState }),
      'forged',
      1,
    ],
    ['of an unknown subscription', () => notificationOf(mailbox, 'm', { subscriptionId: randomUUID() }), 'foreign', 0],
    ['without a subscription', () => without('subscriptionId'), 'malformed', 0],
    ['without a message', () => without('resourceData'), 'malformed', 1],
    ['of a message with an impossible id', () => notificationOf(mailbox, 'a b\u0000'), 'malformed', 1],
    ['that is no object', () => 'notification' as unknown as object, 'malformed', 0],
  ])('%s changes nothing and is counted', async (_what, bad, reason, ofSession) => {
    const before = await refused(reason);
    const answer = await notify(bad(), notificationOf(mailbox, 'good'));
    expect(answer.status).toBe(202);
    expect(await hints()).toEqual(['good']);
    expect(await refused(reason)).toBe(before + 1);
    await vi.waitFor(async () => expect(await counted()).toEqual({ taken: 1, joined: 0, refused: ofSession }), UNTIL);
  });

  it('of a session that has ended changes nothing', async () => {
    await stage.db.pool.query('UPDATE outhaul.sessions SET ended_at = now() WHERE session_no = $1', [
      session.sessionNo,
    ]);
    expect((await notify(notificationOf(mailbox, 'message-1'))).status).toBe(202);
    expect(await hints()).toEqual([]);
  });

  it('that comes again after its hint was taken changes nothing', async () => {
    const once = notificationOf(mailbox, 'message-1');
    await notify(once);
    await stage.db.pool.query('DELETE FROM outhaul.hints WHERE organization_id = $1', [session.organizationId]);
    const before = await refused('replayed');
    expect((await notify(once)).status).toBe(202);
    expect(await hints()).toEqual([]);
    expect(await refused('replayed')).toBe(before + 1);
    await vi.waitFor(async () => expect(await counted()).toEqual({ taken: 1, joined: 0, refused: 1 }), UNTIL);
  });

  it('that is rich is refused in words', async () => {
    const rich = notificationOf(mailbox, 'message-1', { encryptedContent: { data: 'AAAA', dataKey: 'AAAA' } });
    const answer = await notify(rich);
    expect(answer.status).toBe(422);
    expect(await answer.json()).toEqual({
      success: false,
      error: 'Unprocessable Entity',
      message: 'Notifications with encrypted mail are not taken: subscribe without includeResourceData',
    });
    expect((await notify(rich, notificationOf(mailbox, 'good'))).status).toBe(202);
    expect(await hints()).toEqual(['good']);
    await vi.waitFor(async () => expect(await counted()).toEqual({ taken: 1, joined: 0, refused: 2 }), UNTIL);
  });

  it('leaves nothing of itself in the log but a reason', async () => {
    await notify(notificationOf(mailbox, 'secret-message', { clientState: 'secret-guess' }));
    await notify(notificationOf(mailbox, 'secret-message'));
    const lines = stage.lines.join('');
    expect(lines).toContain('"reason":"forged"');
    expect(lines).not.toMatch(/secret-message|secret-guess/);
    expect(lines).not.toContain(mailbox.clientState);
  });
});

describe('a request', () => {
  it.each([
    ['is not JSON', 'hello', 400, 'The body is not valid JSON'],
    ['is empty', '', 400, 'The body is not valid JSON'],
    ['is no list', '{"value": {}}', 400, 'value: must be a list of at least one notification'],
    ['is an empty list', '{"value": []}', 400, 'value: must be a list of at least one notification'],
    ['is too large', 'x'.repeat(1_000_001), 413, 'The body is too large: at most 1000000 bytes are taken'],
  ])('that %s is refused', async (_what, body, status, message) => {
    const answer = await send(body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ success: false, message });
  });

  it('that does not say how large it is is cut where it is too large', async () => {
    const request = open('/webhooks/graph');
    const answered = once(request, 'response');
    request.on('error', () => undefined);
    request.write('x'.repeat(600_000));
    request.write('x'.repeat(600_000));
    const [response] = (await answered) as [{ statusCode: number }];
    expect(response.statusCode).toBe(413);
    request.destroy();
  });

  it.each(['GET', 'PUT', 'DELETE'])('of the method %s is refused', async (method) => {
    const answer = await fetch(`${stage.api.url}${PATH}`, { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('POST');
  });

  it('that dawdles is given up in time, and keeps nothing', async () => {
    const request = open(PATH);
    request.on('error', () => undefined);
    const begun = performance.now();
    const answered = once(request, 'response');
    request.write('{"value": [');
    const [response] = (await answered) as [{ statusCode: number }];
    expect(response.statusCode).toBe(503);
    expect(performance.now() - begun).toBeLessThan(3_000);
  });

  it('too many is told to come later', async () => {
    const dawdlers: ClientRequest[] = [];
    try {
      // Those who dawdle are given up after two seconds: where not all were there at a time, as many come again.
      await vi.waitFor(async () => {
        const crowd = Array.from({ length: 128 }, () => open(PATH));
        for (const each of crowd) each.on('error', () => undefined).flushHeaders();
        dawdlers.push(...crowd);
        await vi.waitFor(async () => expect((await send('{"value": []}')).status).toBe(429));
      }, UNTIL);
      const answer = await notify(notificationOf(mailbox, 'message-1'));
      expect(answer.status).toBe(429);
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(await hints()).toEqual([]);
    } finally {
      for (const each of dawdlers) each.destroy();
    }
    await vi.waitFor(async () => expect((await notify(notificationOf(mailbox, 'message-1'))).status).toBe(202), UNTIL);
  });

  it('of strangers, too many of them, is told to come later; those of known subscriptions are taken', async () => {
    await notify(notificationOf(mailbox, 'message-1'));
    const strangers = Array.from({ length: 500 }, () => notificationOf(mailbox, 'm', { subscriptionId: randomUUID() }));
    await notify(...strangers);
    const stranger = await notify(notificationOf(mailbox, 'm', { subscriptionId: randomUUID() }));
    expect(stranger.status).toBe(429);
    expect((await notify(notificationOf(mailbox, 'message-2'))).status).toBe(202);
    expect(await hints()).toEqual(['message-1', 'message-2']);
    const { mailboxId } = mailbox;
    await vi.waitFor(async () => {
      const { status } = await notify(notificationOf(mailbox, mailboxId, { subscriptionId: randomUUID() }));
      expect(status).toBe(202);
    }, UNTIL);
  });

  const open = (path: string): ClientRequest =>
    httpRequest(`${stage.api.url}${path}`, { method: 'POST', headers: { 'Content-Type': 'application/json' } });
});

describe('what Graph says of a subscription', () => {
  interface Row {
    state: string;
    named: boolean;
    due: boolean;
    wanted: boolean;
  }
  const row = async (): Promise<Row | undefined> => {
    const { rows } = await stage.db.pool.query<Row>(
      `SELECT u.state, subscription_id IS NOT NULL AS named, due_at <= now() AS due,
          delta_wanted_at IS NOT NULL AS wanted
        FROM outhaul.subscriptions u JOIN outhaul.session_mailboxes USING (session_no, mailbox_id) WHERE mailbox_id = $1`,
      [mailbox.mailboxId],
    );
    return rows[0];
  };
  /** A session's workflow, of which only the signals count here. */
  const startSession = (): Promise<unknown> =>
    client.workflow.start('keepSession', {
      workflowId: sessionWorkflowId(session.organizationId),
      taskQueue: taskQueues(stage.taskQueuePrefix).orchestration,
    });
  const nudges = (): Promise<string[] | undefined> => signalsOf(client, sessionWorkflowId(session.organizationId));

  it('missed: a delta round of the mailbox is due, and its reader is woken', async () => {
    expect((await tell(lifecycleOf(mailbox, 'missed'))).status).toBe(202);
    expect(await row()).toEqual({ state: 'active', named: true, due: false, wanted: true });
    await vi.waitFor(async () => expect(await readerSignals(client, mailbox)).toEqual(['readRequested']), UNTIL);
  });

  it('reauthorizationRequired: it is renewed at once, by the session', async () => {
    await startSession();
    expect((await tell(lifecycleOf(mailbox, 'reauthorizationRequired'))).status).toBe(202);
    expect(await row()).toEqual({ state: 'active', named: true, due: true, wanted: false });
    await vi.waitFor(async () => expect(await nudges()).toEqual(['sessionNudged']), UNTIL);
  });

  it('subscriptionRemoved: it is created anew at once, and a delta round makes up for the gap', async () => {
    await startSession();
    await notify(notificationOf(mailbox, 'message-1'));
    expect((await tell(lifecycleOf(mailbox, 'subscriptionRemoved'))).status).toBe(202);
    expect(await row()).toEqual({ state: 'wanted', named: false, due: true, wanted: true });
    await vi.waitFor(async () => expect(await nudges()).toEqual(['sessionNudged']), UNTIL);
    await notify(notificationOf(mailbox, 'message-2'));
    expect(await hints()).toEqual(['message-1']);
  });

  it.each([
    ['without the client state', () => ({ ...lifecycleOf(mailbox, 'subscriptionRemoved'), clientState: 'guessed' }), 1],
    ['of an unknown event', () => lifecycleOf(mailbox, 'exploded'), 1],
    ['of another', () => ({ ...lifecycleOf(mailbox, 'missed'), subscriptionId: randomUUID() }), 0],
  ])('%s changes nothing and is counted', async (_what, bad, ofSession) => {
    const before = await row();
    expect((await tell(bad())).status).toBe(202);
    expect(await row()).toEqual(before);
    await vi.waitFor(async () => expect(await counted()).toEqual({ taken: 0, joined: 0, refused: ofSession }), UNTIL);
  });
});

describe('with notifications off', () => {
  let off: ApiStage | undefined;
  afterEach(() => off?.close());

  it('nothing is at the path', async () => {
    off = await openApiStage({ environment: { OUTHAUL_NOTIFICATIONS: 'off' } });
    const answer = await off.call('POST', `${PATH}?validationToken=x`);
    expect(answer.status).toBe(404);
  });
});
