import type { IncomingMessage } from 'node:http';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../cli/program.ts';
import { fakeApi, fakeCli, readBody, runCli, type FakeApi } from './fake-cli.ts';

interface Asked {
  readonly method: string | undefined;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly key: string | undefined;
  readonly body: unknown;
}
type Answer = (asked: Asked) => { status?: number; body: object };

let api: FakeApi;
let asked: Asked[];
let answer: Answer;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-cli-'));
  asked = [];
  api = await fakeApi((request, response) => {
    void (async () => {
      const one = await toAsked(request);
      asked.push(one);
      const { status = 200, body } = answer(one);
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify({ success: true, ...body }));
    })();
  });
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

async function toAsked(request: IncomingMessage): Promise<Asked> {
  const url = new URL(request.url ?? '', 'http://api');
  const text = await readBody(request);
  return {
    method: request.method,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    key: request.headers.authorization,
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
  };
}

const outhaul = (args: readonly string[], options: Parameters<typeof runCli>[1] = {}) =>
  runCli([...args, '--url', api.url, '--data-dir', folder], options);

const state = (changes: object = {}) => ({
  scanId: 's1',
  organizationId: 'contoso',
  status: 'running',
  mode: 'full',
  startTime: '2026-11-21T09:00:00.000Z',
  endTime: null,
  recordsExtracted: 1200,
  mailboxes: { total: 4, running: 2, completed: 1, failed: 0, skipped: 1 },
  differences: { added: 1100, changed: 0, moved: 4, deleted: 0, restored: 0 },
  messagesPerSecond: 300,
  etaSeconds: 60,
  errorMessage: null,
  checkpointInfo: { phase: 'emails', recordsProcessed: 1200, updatedAt: null, running: [] },
  workflow: { id: 'scan/contoso/s1', runId: null, url: null },
  ...changes,
});
const ended = (status: string, changes: object = {}) =>
  state({ status, endTime: '2026-11-21T09:00:04.000Z', ...changes });

describe('the API key', () => {
  beforeEach(() => {
    answer = () => ({ body: { keys: [] } });
  });

  it('comes from the data folder of `outhaul up`', async () => {
    await writeFile(join(folder, 'api-key'), 'outhaul_1_folder\n');
    await outhaul(['keys', 'list']);
    expect(asked[0]?.key).toBe('Bearer outhaul_1_folder');
  });

  it('comes from OUTHAUL_API_KEY before that, and from --api-key-file before both', async () => {
    await writeFile(join(folder, 'api-key'), 'outhaul_1_folder\n');
    await writeFile(join(folder, 'mine'), 'outhaul_2_file\n');
    const env = { OUTHAUL_API_KEY: 'outhaul_3_env' };
    await outhaul(['keys', 'list'], { env });
    await outhaul(['keys', 'list', '--api-key-file', join(folder, 'mine')], { env });
    expect(asked.map(({ key }) => key)).toEqual(['Bearer outhaul_3_env', 'Bearer outhaul_2_file']);
  });

  it('is left out where there is none', async () => {
    await outhaul(['keys', 'list']);
    expect(asked[0]?.key).toBeUndefined();
  });

  it('is not sent, nor shown, where a file holds something else', async () => {
    await writeFile(join(folder, 'mine'), 'password: hunter2\nmore\n');
    const { code, notes } = await outhaul(['keys', 'list', '--api-key-file', join(folder, 'mine')]);
    expect(code).toBe(2);
    expect(notes).not.toContain('hunter2');
    expect(asked).toEqual([]);
  });

  it('that cannot be read is told of', async () => {
    await mkdir(join(folder, 'api-key'));
    expect(await outhaul(['keys', 'list'])).toMatchObject({ code: 4 });
    const { code, notes } = await outhaul(['keys', 'list', '--api-key-file', join(folder, 'none')]);
    expect(code).toBe(4);
    expect(notes).toContain('none does not exist');
  });
});

describe('outhaul keys', () => {
  it('prints a new key alone on standard output', async () => {
    answer = () => ({ status: 201, body: { id: 7, key: 'outhaul_7_x', organizationId: 'contoso', name: 'n' } });
    const { code, out, notes } = await outhaul(['keys', 'create', '--name', 'n', '--organization', 'contoso']);
    expect({ code, out }).toEqual({ code: 0, out: 'outhaul_7_x\n' });
    expect(notes).toContain('not shown again');
    expect(asked[0]?.body).toEqual({ name: 'n', organizationId: 'contoso' });
  });

  it('makes an administrator’s key only where that is said', async () => {
    answer = () => ({ status: 201, body: { id: 7, key: 'outhaul_7_x', organizationId: null, name: 'n' } });
    await outhaul(['keys', 'create', '--name', 'n', '--admin']);
    expect(asked[0]?.body).toEqual({ name: 'n', organizationId: null });
  });

  it('lists and revokes', async () => {
    const key = {
      id: 3,
      organizationId: null,
      name: 'ops\u001b[1m',
      createdAt: 'c',
      lastUsedAt: null,
      revokedAt: null,
    };
    answer = ({ method }) => ({ body: method === 'GET' ? { keys: [key] } : { id: 3, message: 'x' } });
    const { out } = await outhaul(['keys', 'list']);
    expect(out).toContain('(administrator)');
    expect(out).not.toContain('\u001b');
    expect((await outhaul(['keys', 'revoke', '3'])).code).toBe(0);
    expect(asked.at(-1)).toMatchObject({ method: 'DELETE', path: '/api/v1/keys/3' });
  });
});

describe('outhaul status', () => {
  it('lists the newest scans', async () => {
    const scan = {
      ...{ scanId: 's1', organizationId: 'contoso', mode: 'full', status: 'completed_with_errors' },
      ...{ requestedAt: 'r', startTime: null, endTime: null, recordsExtracted: 5000, errorMessage: null },
    };
    answer = () => ({ body: { scans: [scan], pagination: { limit: 20, offset: 0, total: 30, hasMore: true } } });
    const { code, out, notes } = await outhaul(['status']);
    expect(code).toBe(0);
    expect(out).toMatch(/^SCAN +ORGANIZATION +STATUS/);
    expect(out).toContain('completed with errors');
    expect(out).toContain('5,000');
    expect(notes).toContain('30 scans in all');
  });

  it('shows one scan', async () => {
    answer = () => ({ body: state() });
    const { code, out } = await outhaul(['status', 's1', '--organization', 'contoso']);
    expect(code).toBe(0);
    expect(out).toContain('1,200 (300/s)');
    expect(out).toMatch(/differences +1,100 new, 4 moved/);
    expect(out).toContain('4: 1 completed, 2 running, 0 failed, 1 skipped');
    expect(out).toContain('1 min 00 s');
    expect(asked[0]).toMatchObject({ path: '/api/v1/scan/s1/status', query: { organizationId: 'contoso' } });
  });

  it('prints what the API answers with --json', async () => {
    answer = () => ({ body: state() });
    const { out } = await outhaul(['status', 's1', '--json']);
    expect(JSON.parse(out)).toEqual({ success: true, ...state() });
  });

  it.each([
    ['completed', 0],
    ['completed_with_errors', 5],
    ['cancelled', 6],
    ['failed', 1],
    ['crashed', 1],
  ])('--watch of a scan that ends %s exits with %i', async (status, code) => {
    answer = () => ({ body: asked.length < 2 ? state() : ended(status) });
    expect(await outhaul(['status', '--watch', 's1'])).toMatchObject({ code });
  });

  it('--watch goes on when the API was away', async () => {
    answer = () => {
      if (asked.length === 1)
        return { status: 503, body: { success: false, error: 'x', message: 'down', requestId: 'r' } };
      return { body: ended('completed') };
    };
    const { code, notes } = await outhaul(['status', '--watch', 's1']);
    expect(code).toBe(0);
    expect(notes).toContain('does not answer');
    expect(notes).toContain('answers again');
  });
});

describe('outhaul scan', () => {
  const credential = ['--tenant', 'contoso.example', '--client-id', '11111111-2222-3333'];

  it('says what to keep of a message, and what there is of it', async () => {
    const contents = {
      ...{ attachments: 1_200, attachmentsLeftOut: 3, attachmentsQuarantined: 1 },
      ...{ originals: 1, originalsQuarantined: 0 },
    };
    answer = ({ method }) => ({
      body: method === 'POST' ? { scanId: 's1', status: 'running' } : ended('completed', { contents }),
    });
    const { out } = await outhaul(['scan', '--organization', 'contoso', '--content', 'mime']);
    expect(out).toContain('\n  1,200 attachments stored (3 left out, 1 in quarantine), 1 original stored.\n');
    expect(asked[0]?.body).toMatchObject({ config: { filters: { content: 'mime' } } });
    const refused = await outhaul(['scan', '--organization', 'contoso', '--content', 'bodies']);
    expect(refused).toMatchObject({
      code: 2,
      notes: expect.stringMatching(/headers, full, attachments, mime/) as string,
    });
  });

  it('starts what was asked for and tells how it ended', async () => {
    answer = ({ method }) => ({
      body:
        method === 'POST'
          ? { scanId: 's1', status: 'running' }
          : ended('completed_with_errors', { errorMessage: 'why' }),
    });
    const args = [
      '--organization',
      'contoso',
      '--scan-id',
      's1',
      '--folders',
      'inbox,Inbox/A B',
      '--mailboxes',
      'a@b.example',
    ];
    const { code, out } = await outhaul(
      ['scan', ...credential, ...args, '--exclude', 'c.example', '--since', '2026-01-01', '--mode', 'incremental'],
      { env: { CLIENT_SECRET: 'S3cret-value' } },
    );
    expect(code).toBe(5);
    expect(out).toBe('Scan s1 completed with errors: 1,200 messages of 1 mailbox (1 skipped) in 4.0 s.\n  why\n');
    expect(asked[0]?.body).toEqual({
      config: {
        scanId: 's1',
        organizationId: 'contoso',
        type: ['email'],
        mode: 'incremental',
        auth: { tenantId: 'contoso.example', clientId: '11111111-2222-3333', clientSecret: 'S3cret-value' },
        filters: {
          folders: ['inbox', 'Inbox/A B'],
          mailboxes: { include: ['a@b.example'], exclude: ['c.example'] },
          since: '2026-01-01',
        },
      },
    });
  });

  it('asks for no more than was named: a stored connection, the default folders, the mailboxes of the environment', async () => {
    answer = () => ({ body: { scanId: 's1', status: 'pending' } });
    const { code, out, notes } = await outhaul(['scan', '--no-watch'], {
      env: { MAILBOX_ADDRESS: 'a@b.example, c@d.example' },
    });
    expect({ code, out }).toEqual({ code: 0, out: 's1\n' });
    expect(notes).toContain('waits for its turn');
    expect(asked[0]?.body).toEqual({
      config: {
        scanId: expect.stringMatching(/^scan-\d{8}-\d{6}-[0-9a-f]{4}$/) as string,
        organizationId: 'default',
        type: ['email'],
        mode: 'full',
        filters: { mailboxes: { include: ['a@b.example', 'c@d.example'] } },
      },
    });
  });

  it('goes on without its watcher, and says how to find it again', async () => {
    const cli = fakeCli({ env: { CLIENT_SECRET: 'S3cret-value' } });
    answer = ({ method }) => {
      if (method === 'POST') return { body: { scanId: 's1', status: 'running' } };
      setImmediate(() => cli.process.emit('SIGINT'));
      return { body: state() };
    };
    expect(await run(['scan', ...credential, '--url', api.url, '--data-dir', folder], cli)).toBe(130);
    expect(cli.notesText()).toContain('The scan goes on');
    expect(cli.notesText()).toContain('outhaul cancel s1');
    expect(asked.filter(({ path }) => path.endsWith('/cancel'))).toEqual([]);
  });
});

describe('outhaul pause, resume, cancel and retry-failed', () => {
  it.each([
    ['pause', 'paused'],
    ['resume', 'running'],
    ['cancel', 'cancelling'],
    ['retry-failed', 'pending'],
  ])('%s asks for it and says what the API answers', async (command, status) => {
    answer = () => ({ status: 202, body: { scanId: 's1', status, message: `Scan s1 is ${status}\u001b[2J` } });
    const { code, out, notes } = await outhaul([command, 's1', '--organization', 'contoso']);
    expect({ code, out }).toEqual({ code: 0, out: '' });
    expect(notes).toMatch(new RegExp(`^Scan s1 is ${status}.*\\.\n$`));
    expect(notes).not.toContain('\u001b');
    expect(asked).toMatchObject([
      { method: 'POST', path: `/api/v1/scan/s1/${command}`, query: { organizationId: 'contoso' } },
    ]);
  });

  it.each(['pause', 'resume', 'cancel', 'retry-failed'])('%s that is refused says why', async (command) => {
    const message = 'Scan s1 has ended: failed; retry-failed goes on with what it has not read';
    answer = () => ({ status: 409, body: { success: false, error: 'Conflict', message, requestId: 'r' } });
    const { code, notes } = await outhaul([command, 's1']);
    expect(code).toBe(1);
    expect(notes).toContain(message);
  });

  it.each([
    ['cancel', 'cancelled', 0],
    ['resume', 'completed_with_errors', 5],
    ['retry-failed', 'completed', 0],
    ['retry-failed', 'failed', 1],
  ])('%s --wait of a scan that ends %s exits with %i', async (command, status, code) => {
    answer = ({ method }) => ({ body: method === 'POST' ? { message: 'done' } : ended(status) });
    const result = await outhaul([command, '--wait', 's1']);
    expect(result.code).toBe(code);
    expect(result.out).toContain(`Scan s1 ${status.replaceAll('_', ' ')}`);
  });

  it.each(['pause', 'resume', 'cancel', 'retry-failed'])('%s needs the id of a scan', async (command) => {
    expect((await outhaul([command])).code).toBe(2);
    expect((await outhaul([command, 'no/slash'])).code).toBe(2);
    expect(asked).toEqual([]);
  });
});

describe('outhaul detect-crashed', () => {
  const review = (crashed: object[], stalled: object[], sessions: object[] = []) => ({
    ...{ timeoutMinutes: 10, checked: 3, crashed, stalled },
    sessions: { checked: 2, crashed: sessions },
  });

  it('says what was found and done', async () => {
    const found = { scanId: 's1', organizationId: 'contoso', status: 'crashed', lastProgressAt: null, action: 'why' };
    answer = () => ({ body: review([found], [{ ...found, scanId: 's2', status: 'running', action: 'was told' }]) });
    const { code, out, notes } = await outhaul(['detect-crashed', '--timeout-minutes', '30']);
    expect(code).toBe(0);
    expect(out).toBe('s1 of contoso: why (crashed)\ns2 of contoso: was told (running)\n');
    expect(notes).toContain('2 were set right');
    expect(asked[0]).toMatchObject({
      method: 'POST',
      path: '/api/v1/maintenance/detect-crashed',
      query: { timeoutMinutes: '30' },
    });
  });

  it('names sessions that nobody runs any more', async () => {
    const session = { sessionId: 'session-1', organizationId: 'contoso', status: 'failed', action: 'Temporal: failed' };
    answer = () => ({ body: review([], [], [session]) });
    const { out, notes } = await outhaul(['detect-crashed']);
    expect(out).toBe('session-1 of contoso: Temporal: failed (failed)\n');
    expect(notes).toContain('Of 2 sessions, 1 ran no more: start them anew.');
  });

  it('says so where all is well, and prints what the API answers with --json', async () => {
    answer = () => ({ body: review([], []) });
    expect((await outhaul(['detect-crashed'])).notes).toContain('all are well');
    const { out } = await outhaul(['detect-crashed', '--json']);
    expect(JSON.parse(out)).toMatchObject({ checked: 3, crashed: [] });
  });

  it('wants minutes that make sense', async () => {
    expect((await outhaul(['detect-crashed', '--timeout-minutes', '0'])).code).toBe(2);
    expect(asked).toEqual([]);
  });
});

describe('outhaul results', () => {
  const columns = ['id', 'subject', 'received_date_time', 'categories', '_user_email'];
  const rows = Array.from({ length: 1203 }, (_, at) => ({
    id: `m${at}`,
    subject: at === 0 ? '=HYPERLINK("http://evil")\u001b[2J' : `Tide, "${at}"`,
    received_date_time: '2026-01-01T00:00:00Z',
    categories: at === 1 ? ['a', 'b'] : null,
    _user_email: 'z@tide.example',
  }));

  beforeEach(() => {
    answer = ({ path, query }) => {
      if (path.endsWith('/tables'))
        return { body: { data: { tables: [{ name: 'emails', rowCount: rows.length, columns }] } } };
      const from = Number(query['cursor'] ?? 0);
      const to = from + Number(query['limit']);
      const nextCursor = to < rows.length ? String(to) : null;
      return { body: { data: { tableName: 'emails', records: rows.slice(from, to), pagination: { nextCursor } } } };
    };
  });

  it('prints the first rows as a table, safe for the terminal', async () => {
    const { code, out, notes } = await outhaul(['results', 's1'], { columns: 60, env: { NO_COLOR: '1' } });
    expect(code).toBe(0);
    expect(out.trimEnd().split('\n')).toHaveLength(51);
    expect(out).not.toContain('\u001b');
    expect(notes).toContain('50 of 1,203 rows');
  });

  it('prints every row and column as JSON lines, page by page', async () => {
    const { out } = await outhaul(['results', 's1', '--json']);
    const lines = out.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(rows);
    expect(out).not.toContain('\u001b');
    expect(asked.filter(({ path }) => path.endsWith('/data')).map(({ query }) => query['cursor'])).toEqual([
      undefined,
      '500',
      '1000',
    ]);
  });

  it('prints CSV in which nothing is a formula', async () => {
    const { out } = await outhaul(['results', 's1', '--csv', '--limit', '2', '--columns', 'id,subject,categories']);
    expect(out).toBe(
      'id,subject,categories\r\n' +
        'm0,"\'=HYPERLINK(""http://evil"")\u001b[2J",\r\n' +
        'm1,"Tide, ""1""","[""a"",""b""]"\r\n',
    );
  });

  it('prints cells as they are for programs that ask for it', async () => {
    const args = ['results', 's1', '--csv', '--limit', '1', '--columns', 'subject', '--no-escape-formulas'];
    expect((await outhaul(args)).out).toContain('"=HYPERLINK');
  });

  it('lists the tables', async () => {
    const { out } = await outhaul(['results', 's1', '--tables']);
    expect(out).toMatch(/emails +1,203 +id, subject/);
  });

  it.each([
    [['--table', 'secrets'], 'no table secrets'],
    [['--columns', 'id,nope'], 'no column nope'],
  ])('refuses %j', async (args, why) => {
    const { code, notes } = await outhaul(['results', 's1', ...args]);
    expect(code).toBe(2);
    expect(notes).toContain(why);
  });
});
