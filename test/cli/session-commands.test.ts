import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../cli/program.ts';
import { fakeApi, fakeCli, readBody, runCli, type FakeApi } from './fake-cli.ts';

interface Asked {
  readonly method: string | undefined;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly body: unknown;
}

let api: FakeApi;
let asked: Asked[];
let answer: (asked: Asked, response: ServerResponse) => { status?: number; body: object };
beforeEach(async () => {
  asked = [];
  api = await fakeApi((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '', 'http://api');
      const text = await readBody(request);
      const one = {
        method: request.method,
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      };
      asked.push(one);
      const { status = 200, body } = answer(one, response);
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify({ success: status < 400, ...body }));
    })();
  });
});
afterEach(() => api.close());

const at = () => ['--url', api.url, '--data-dir', '/nonexistent'];
const outhaul = (...args: string[]) => runCli([...args, ...at()]);

const session = (more: object = {}) => ({
  session_id: 'session-1',
  organization_id: 'contoso',
  status: 'running',
  polling_mode: 'scheduled',
  polling_interval: 300,
  enable_webhook: true,
  filters: { folders: ['inbox'] },
  mark_as_read: true,
  only_unread: false,
  started_at: '2026-11-21T09:00:00.000Z',
  stopping_at: null,
  ended_at: null,
  stop_reason: null,
  trouble: null,
  ...more,
});

const state = (more: object = {}) => ({
  organization_id: 'contoso',
  session: session(),
  services: {
    polling: { status: 'scheduled', interval: 75, last_sweep: null },
    webhook: {
      status: 'on',
      reason: null,
      url: 'https://mail.example.com/webhooks/graph',
      notifications: { taken: 1200, joined: 30, refused: 1 },
      subscriptions: { active: 98, wanted: 1, refused: 1, refusals: [] },
    },
    processing: {
      status: 'working',
      mailboxes_being_read: 1,
      mailboxes_due: 2,
      messages: 1500,
      mark_as_read: { enabled: true, marked: 700, refused: 'Mail.ReadWrite is missing\u001b[31m' },
    },
    sending: { status: 'not_configured' },
  },
  queue: { waiting: 4, in_work: 3, failed: 2, oldest_at: null },
  last_poll_at: '2026-11-21T09:05:00.000Z',
  last_notification_at: '2026-11-21T09:06:00.000Z',
  mailboxes: {
    followed: 100,
    left: 1,
    skipped: 3,
    skipped_for: [{ reason: 'no_mailbox', mailboxes: 3 }],
    skipped_mailboxes: [],
  },
  loss: { told: 1200, missed: 300, rate: 0.2, worst: [] },
  workflow: { id: 'session/contoso', status: 'running', url: null },
  ...more,
});

describe('outhaul session start', () => {
  beforeEach(() => {
    answer = () => ({ body: { message: 'Session session-1 runs', session: session() } });
  });

  it('asks for a session with the defaults', async () => {
    expect(await outhaul('session', 'start')).toMatchObject({ code: 0, notes: 'Session session-1 runs.\n' });
    expect(asked).toEqual([
      {
        method: 'POST',
        path: '/session/start',
        query: {},
        body: { polling_mode: 'scheduled', polling_interval: 300, enable_webhook: true },
      },
    ]);
  });

  it('asks for what the options say', async () => {
    await outhaul(
      ...['session', 'start', '--organization', 'contoso', '--polling', 'manual', '--interval', '60', '--no-webhook'],
      ...['--folders', 'inbox,sent', '--mailboxes', 'a@x.example', '--exclude', 'b@x.example', '--since', '2026-01-01'],
      ...['--mark-as-read', '--only-unread'],
    );
    expect(asked[0]).toMatchObject({
      query: { organizationId: 'contoso' },
      body: {
        polling_mode: 'manual',
        polling_interval: 60,
        enable_webhook: false,
        filters: {
          folders: ['inbox', 'sent'],
          mailboxes: { include: ['a@x.example'], exclude: ['b@x.example'] },
          since: '2026-01-01',
        },
        mark_as_read: true,
        only_unread: true,
      },
    });
  });

  it.each([[['--interval', '5']], [['--interval', '90000']], [['--polling', 'often']]])('refuses %j', async (args) => {
    expect(await outhaul('session', 'start', ...args)).toMatchObject({ code: 2 });
    expect(asked).toEqual([]);
  });

  it('says that one runs already', async () => {
    answer = () => ({ status: 409, body: { error: 'Conflict', message: 'Session session-0 runs already' } });
    const { code, notes } = await outhaul('session', 'start');
    expect(code).toBe(1);
    expect(notes).toContain('Session session-0 runs already');
  });
});

describe('outhaul session stop and clear', () => {
  it('stop with the reason that is given', async () => {
    answer = () => ({ body: { message: 'Session session-1 has stopped', session: session({ status: 'stopped' }) } });
    expect((await outhaul('session', 'stop', '--reason', 'maintenance')).notes).toBe(
      'Session session-1 has stopped.\n',
    );
    await outhaul('session', 'stop');
    expect(asked.map(({ path, body }) => [path, body])).toEqual([
      ['/session/stop', { reason: 'maintenance' }],
      ['/session/stop', {}],
    ]);
  });

  it('clear away what there is', async () => {
    answer = () => ({ body: { message: 'There was no session to clear away', session: null } });
    expect(await outhaul('session', 'clear')).toMatchObject({
      code: 0,
      notes: 'There was no session to clear away.\n',
    });
    expect(asked).toMatchObject([{ method: 'POST', path: '/session/clear' }]);
  });
});

describe('outhaul session info', () => {
  it('shows the session and every part of it', async () => {
    answer = () => ({ body: state() });
    const { code, out } = await outhaul('session', 'info');
    expect(code).toBe(0);
    expect(out).toMatch(/polling +every 75 s \(300 s was asked for\)/);
    expect(out).toMatch(/notifications +on; 1,200 taken, 30 joined, 1 refused/);
    expect(out).toMatch(/subscriptions +98 active, 1 wanted, 1 refused/);
    expect(out).toMatch(/lost +20\.0 % \(300 that no notification told\)/);
    expect(out).toMatch(/mailboxes +100 followed, 3 skipped, 1 left \(3 no mailbox\)/);
    expect(out).toMatch(/queue +4 waiting, 3 in work, 2 failed/);
    expect(out).toMatch(/marked as read +700; refused: Mail\.ReadWrite is missing/);
    expect(out).not.toContain('\u001b');
  });

  it('says so where none ever ran, and where Temporal does not run it any more', async () => {
    answer = () => ({ body: state({ session: null }) });
    expect(await outhaul('session', 'info')).toMatchObject({ code: 0, out: '' });
    answer = () => ({ body: state({ workflow: { id: 'session/contoso', status: 'not_running', url: null } }) });
    expect((await outhaul('session', 'info')).notes).toContain('`outhaul session clear` takes it away');
  });

  it('prints what the API answers', async () => {
    answer = () => ({ body: state() });
    const { out } = await outhaul('session', 'info', '--json');
    expect(JSON.parse(out)).toMatchObject({ session: { session_id: 'session-1' }, queue: { waiting: 4 } });
  });
});

describe('outhaul session history', () => {
  const ended = session({ status: 'stopped', ended_at: '2026-11-21T10:02:00.000Z', stop_reason: 'user_requested' });
  const totals = { mailboxes: 100, messages: 2500, told: 1200, missed: 300, notifications: 1200, marked_as_read: 0 };

  it('lists sessions with their reasons and totals', async () => {
    answer = () => ({ body: { organization_id: 'contoso', sessions: [{ ...ended, totals }] } });
    const { out } = await outhaul('session', 'history', '--limit', '5');
    expect(out).toMatch(/session-1 +stopped +2026-11-21T09:00:00 +1 h 02 min +100 +2,500 +user_requested/);
    expect(asked[0]).toMatchObject({ path: '/session/history', query: { limit: '5' } });
  });

  it('says so where there are none', async () => {
    answer = () => ({ body: { organization_id: 'contoso', sessions: [] } });
    expect(await outhaul('session', 'history')).toMatchObject({ code: 0, notes: 'No session has ended yet.\n' });
  });
});

describe('outhaul poll', () => {
  const scan = (status: string) => ({
    scanId: 'poll-1',
    organizationId: 'contoso',
    status,
    mode: 'incremental',
    startTime: '2026-11-21T09:00:00.000Z',
    endTime: '2026-11-21T09:00:04.000Z',
    recordsExtracted: 12,
    mailboxes: { total: 4, running: 0, completed: 4, failed: 0, skipped: 0 },
    differences: { added: 12, changed: 0, moved: 0, deleted: 0, restored: 0 },
    messagesPerSecond: 3,
    etaSeconds: null,
    errorMessage: null,
    checkpointInfo: { phase: 'emails_completed', recordsProcessed: 12, updatedAt: null, running: [] },
    workflow: { id: 'scan/contoso/poll-1', runId: null, url: null },
  });
  const started = {
    message: 'The mailboxes are polled',
    organization_id: 'contoso',
    scanId: 'poll-1',
    status: 'running',
  };
  const endsAs = (status: string) => {
    answer = ({ method }) => (method === 'POST' ? { status: 202, body: started } : { body: scan(status) });
  };

  it.each([
    ['completed', 0],
    ['completed_with_errors', 5],
    ['failed', 1],
  ])('--once waits until the round is done: %s exits with %i', async (status, code) => {
    endsAs(status);
    const result = await outhaul('poll', '--once');
    expect(result.code).toBe(code);
    expect(result.out).toContain('12 messages of 4 mailboxes');
    expect(asked[0]).toMatchObject({ method: 'POST', path: '/polling/trigger' });
  });

  it('does not wait without it, and prints the name of the scan', async () => {
    endsAs('running');
    expect(await outhaul('poll', '--organization', 'contoso')).toMatchObject({ code: 0, out: 'poll-1\n' });
    expect(asked).toMatchObject([{ query: { organizationId: 'contoso' } }]);
  });
});

describe('outhaul watch', () => {
  const message = (subject: string) => ({
    id: subject,
    mailbox_id: 'm',
    mailbox: 'ada@contoso.example',
    folder: 'inbox',
    subject: `${subject}\u001b[2J`,
    from_address: 'bob@fabrikam.example',
    from_name: 'Bob',
    received_date_time: '2026-11-21T09:00:49Z',
    has_attachments: false,
    is_read: false,
    stored_at: '2026-11-21T09:00:50Z',
  });
  const page = (cursor: string, messages: object[], more = false) => ({
    body: { session_id: 'session-1', messages, cursor, has_more: more },
  });
  const over = { status: 409, body: { error: 'Conflict', message: 'No session of organization contoso runs' } };

  it('prints a line for each message, from now on, until the session ends', async () => {
    const answers = [page('1', []), page('2', [message('one')], true), page('3', [message('two')]), over];
    answer = () => answers.shift() ?? over;
    const { code, out, notes } = await outhaul('watch');
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^2026-11-21 09:00:49 {2}ada@contoso.example {2}inbox {2}bob@fabrikam.example {2}one/),
      expect.stringMatching(/two/),
      '',
    ]);
    expect(out).not.toContain('\u001b');
    expect(notes).toContain('The session has ended.');
    expect(asked.map(({ query }) => [query['from'], query['cursor']])).toEqual([
      ['now', undefined],
      ['now', '1'],
      ['now', '2'],
      ['now', '3'],
    ]);
  });

  it('prints JSON lines from the beginning of the session', async () => {
    const answers = [page('1', [message('one')]), over];
    answer = () => answers.shift() ?? over;
    const { out } = await outhaul('watch', '--all', '--json');
    expect(JSON.parse(out)).toMatchObject({ id: 'one', mailbox: 'ada@contoso.example' });
    expect(asked[0]?.query['from']).toBe('start');
  });

  it('waits for an API that is away', async () => {
    const away = { status: 503, body: { error: 'Service Unavailable', message: 'The database is out of reach' } };
    const answers = [page('1', []), away, page('2', [message('one')]), over];
    answer = () => answers.shift() ?? over;
    const { code, out, notes } = await outhaul('watch');
    expect(code).toBe(0);
    expect(out).toContain('one');
    expect(notes).toMatch(/The API is away.*\n.*The API answers again/);
  });

  it('says how to start a session where none runs', async () => {
    answer = () => over;
    const { code, notes } = await outhaul('watch');
    expect(code).toBe(1);
    expect(notes).toContain('`outhaul session start` starts one.');
  });

  it('ends at Ctrl-C', async () => {
    const cli = fakeCli();
    answer = () => {
      if (asked.length === 2) cli.process.emit('SIGINT');
      return page('1', []);
    };
    expect(await run(['watch', ...at()], cli)).toBe(130);
  });
});
