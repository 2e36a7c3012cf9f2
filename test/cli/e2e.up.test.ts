import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startSimulator } from '../../simulator/index.ts';
import { processesNaming, startOuthaul, type Outhaul } from './outhaul-process.ts';

/** Of what it says once it runs, the last line: addresses and the key stand before. */
const RUNS = 'Scan a tenant: ';
let folder: string;
let command: Outhaul | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-up-'));
});
afterEach(async () => {
  command?.kill('SIGTERM');
  await command?.ended;
});
afterAll(() => rm(folder, { recursive: true }));

function up(env: NodeJS.ProcessEnv = {}, ...options: readonly string[]): Outhaul {
  const ports = ['--port', '0', '--temporal-port', '0', '--ui-port', '0'];
  command = startOuthaul(['up', ...ports, ...options, '--data-dir', join(folder, 'data')], env);
  return command;
}

/** The address of an API that runs. */
const urlOf = ({ out }: Outhaul): string => /API +(http:\S+)/.exec(out())?.[1] ?? '';

/** A client command against the API of a running `up`, with the key from its data folder. */
async function client(running: Outhaul, ...args: (string | NodeJS.ProcessEnv)[]) {
  const [words, [env]] = [args.filter((arg) => typeof arg === 'string'), args.filter((arg) => typeof arg === 'object')];
  const asking = startOuthaul([...words, '--url', urlOf(running), '--data-dir', join(folder, 'data')], env);
  return { code: await asking.ended, out: asking.out(), notes: asking.notes() };
}

async function expectNothingLeft(): Promise<void> {
  await vi.waitFor(() => expect(processesNaming(folder)).toEqual([]), { timeout: 40_000, interval: 200 });
  expect(existsSync(join(folder, 'data', 'postgres', 'data', 'postmaster.pid'))).toBe(false);
}

/** One folder is used throughout: each run must leave it so that the next one can use it. */
describe('outhaul up', { timeout: 180_000 }, () => {
  it.each(['Data folder', 'Making a PostgreSQL', 'Starting the API'])(
    'leaves no process when Ctrl-C comes as it says "%s"',
    async (moment) => {
      const running = up();
      await running.says(moment);
      running.kill('SIGINT');
      expect(await running.ended).toBe(130);
      expect(running.notes()).not.toMatch(/error:/);
      await expectNothingLeft();
    },
  );

  let key: string;

  it('runs, shows the first key once, keeps what must last to itself, and ends in order', async () => {
    const running = up();
    await running.says(RUNS);
    key = (await readFile(join(folder, 'data', 'api-key'), 'utf8')).trim();
    expect(running.out()).toMatch(/API key +(outhaul_\S+ \(shown this once\)|in \/)/);
    for (const name of ['keys', 'api-key']) {
      expect((await stat(join(folder, 'data', name))).mode & 0o777).toBe(0o600);
    }
    expect((await client(running, 'keys', 'list')).out).toContain('(administrator)');
    expect((await client(running, 'status')).notes).toContain('No scans yet');
    running.kill('SIGINT');
    expect(await running.ended).toBe(0);
    expect(running.notes()).toContain('Stopped.');
    await expectNothingLeft();
  });

  it('starts again on the same folder, with the same key, and brings a killed worker and API back', async () => {
    const running = up();
    await running.says(RUNS);
    expect(running.out()).not.toContain(key);
    expect((await client(running, 'keys', 'list')).code).toBe(0);
    for (const [name, option] of [
      ['worker', '--ready-file'],
      ['API', '--admin-key-file'],
    ] as const) {
      const [pid] = processesNaming(join(folder, 'data')).filter((line) => line.includes(option));
      process.kill(Number.parseInt(pid ?? '', 10), 'SIGKILL');
      await running.says(`The ${name} ended unexpectedly (SIGKILL)`);
      await running.says(`The ${name} runs again.`);
    }
    expect((await client(running, 'keys', 'list')).code).toBe(0);
    running.kill('SIGTERM');
    expect(await running.ended).toBe(0);
    await expectNothingLeft();
  });

  it('takes notifications, and with --no-webhook does not', async () => {
    const handshake = async (running: Outhaul): Promise<number> => {
      await running.says(RUNS);
      const url = `${urlOf(running)}/webhooks/graph?validationToken=hello`;
      const { status } = await fetch(url, { method: 'POST' });
      running.kill('SIGINT');
      expect(await running.ended).toBe(0);
      return status;
    };
    expect(await handshake(up())).toBe(200);
    expect(await handshake(up({}, '--no-webhook'))).toBe(401);
    await expectNothingLeft();
  });

  it('brings PostgreSQL and Temporal back when they are killed', async () => {
    const running = up();
    await running.says(RUNS);
    for (const [name, option] of [
      ['PostgreSQL', 'bin/postgres'],
      ['The Temporal server', 'server start-dev'],
    ] as const) {
      const [pid] = processesNaming(join(folder, 'data')).filter((line) => line.includes(option));
      process.kill(Number.parseInt(pid ?? '', 10), 'SIGKILL');
      await running.says(`${name} ended unexpectedly (SIGKILL)`);
      await running.says(`${name} runs again.`);
    }
    await vi.waitFor(async () => expect((await client(running, 'keys', 'list')).code).toBe(0), { timeout: 30_000 });
    running.kill('SIGINT');
    expect(await running.ended).toBe(0);
    await expectNothingLeft();
  });

  it('goes on at its next start with a scan that was running when it was stopped', async () => {
    const simulator = await startSimulator({ tenant: { mailboxes: 3, messages: 6000 }, latencyMs: 150 });
    try {
      const env = { OUTLOOK_API_BASE_URL: simulator.url, OUTHAUL_AUTHORITY_URL: simulator.url, BATCH_SIZE: '50' };
      const credential = ['--tenant', simulator.tenantId, '--client-id', simulator.clientId];
      const secret = { CLIENT_SECRET: simulator.clientSecret };
      const running = up(env);
      await running.says(RUNS);
      // Nothing of an earlier attempt is in the way, though the folder is the same.
      const name = randomUUID().slice(0, 8);
      const scan = ['scan', ...credential, '--organization', name, '--scan-id', name, '--folders', 'all', '--no-watch'];
      expect(await client(running, ...scan, secret)).toMatchObject({ code: 0, out: `${name}\n` });
      await vi.waitFor(() => expect(simulator.control.stats().requests).toBeGreaterThan(40), { timeout: 30_000 });
      running.kill('SIGINT');
      expect(await running.ended).toBe(0);
      await expectNothingLeft();

      const next = up(env);
      await next.says(RUNS);
      const watched = await client(next, 'status', '--watch', name);
      expect(watched).toMatchObject({ code: 5, out: expect.stringContaining('6,000') as unknown });
      next.kill('SIGINT');
      expect(await next.ended).toBe(0);
    } finally {
      await simulator.close();
    }
    await expectNothingLeft();
  });

  it('takes its processes with it when it is killed, and the folder is good afterwards', async () => {
    const running = up();
    await running.says(RUNS);
    running.kill('SIGKILL');
    expect(await running.ended).toBe('SIGKILL');
    await expectNothingLeft();
    const next = up();
    await next.says(RUNS);
    expect((await client(next, 'keys', 'list')).code).toBe(0);
    const second = startOuthaul(['up', '--port', '0', '--data-dir', join(folder, 'data')]);
    expect(await second.ended).toBe(4);
    expect(second.notes()).toContain('in use');
    next.kill('SIGINT');
    expect(await next.ended).toBe(0);
    await expectNothingLeft();
  });
});
