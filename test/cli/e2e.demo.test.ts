import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import '../provided.ts';
import { processesNaming, startOuthaul, type Outhaul } from './outhaul-process.ts';

const realMail = fileURLToPath(new URL('../../../shared/data/real-mail', import.meta.url));
const hasRealMail = existsSync(realMail);
if (!hasRealMail) process.stderr.write('SKIPPED: the demo over real mail, for ../shared/data/real-mail is not there\n');

let folder: string;
let command: Outhaul | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-demo-test-'));
});
afterEach(async () => {
  command?.kill('SIGTERM');
  await command?.ended;
});
afterAll(() => rm(folder, { recursive: true }));

/** Its temporary folder lies in ours, so that what it leaves can be seen. */
function demo(...args: string[]): Outhaul {
  command = startOuthaul(['demo', ...args, '--temporal-port', '0', '--ui-port', '0', '--port', '0'], {
    TMPDIR: folder,
  });
  return command;
}

async function expectNothingLeft(): Promise<void> {
  await vi.waitFor(() => expect(processesNaming(folder)).toEqual([]), { timeout: 40_000, interval: 200 });
  expect(readdirSync(folder)).toEqual([]);
}

describe('outhaul demo', { timeout: 180_000 }, () => {
  it('stores a whole tenant, tells so in one line, and leaves nothing behind', async () => {
    const running = demo('--exit', '--json', '--mailboxes', '4', '--messages', '1000', '--seed', '7');
    expect(await running.ended, running.notes()).toBe(0);
    const [line = '', ...others] = running.out().trimEnd().split('\n');
    expect(others).toEqual([]);
    const figures = JSON.parse(line) as Record<string, number>;
    expect(Object.keys(figures)).toEqual(
      'mailboxes messages stored missing duplicated different seconds messagesPerSecond peakRssMb'.split(' '),
    );
    expect(figures).toMatchObject({
      mailboxes: 4,
      messages: 1000,
      stored: 1000,
      missing: 0,
      duplicated: 0,
      different: 0,
    });
    expect(figures['peakRssMb']).toBeGreaterThan(50);
    expect(running.notes()).toContain('nothing is missing, duplicated or different');
    expect(running.notes()).toContain('ErrorAccessDenied');
    await expectNothingLeft();
  });

  it.runIf(hasRealMail)('stores all of the real mail, and its coverage accounts for every message', async () => {
    const running = demo('--exit', '--json', '--mail', realMail);
    expect(await running.ended, running.notes()).toBe(0);
    const figures = JSON.parse(running.out()) as Record<string, number>;
    expect(figures).toMatchObject({ missing: 0, duplicated: 0, different: 0 });
    expect(figures['messages']).toBeGreaterThanOrEqual(
      readdirSync(realMail).filter((name) => name.endsWith('.eml')).length,
    );
    expect(figures['stored']).toBe(figures['messages']);
    const [, graph, stored] =
      /Graph holds ([\d,]+) messages in the folders that were read: ([\d,]+) stored, 0 unexplained\./.exec(
        running.notes(),
      ) ?? [];
    expect([graph, stored].map((number) => Number(number?.replaceAll(',', '')))).toEqual([
      figures['messages'],
      figures['messages'],
    ]);
    expect(running.notes()).not.toContain('not read to the end');
    await expectNothingLeft();
  });

  it('stays up for people to look around, until Ctrl-C', async () => {
    const running = demo('--mailboxes', '2', '--messages', '100');
    await running.says('Look around');
    // The last of what it says, and what stands on the other stream.
    await running.says('status --url');
    await vi.waitFor(() => expect(running.out()).toMatch(/emails +100/), { timeout: 10_000 });
    expect(running.notes()).toMatch(/API docs +http/);
    running.kill('SIGINT');
    expect(await running.ended).toBe(0);
    await expectNothingLeft();
  });

  it('uses a Temporal server that is named, apart from whatever else runs there', async () => {
    const env = { TEMPORAL_ADDRESS: inject('temporalAddress'), DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
    command = startOuthaul(['demo', '--exit', '--json', '--mailboxes', '2', '--messages', '100', '--port', '0'], {
      ...env,
      TMPDIR: folder,
    });
    expect(await command.ended, command.notes()).toBe(0);
    expect(JSON.parse(command.out())).toMatchObject({ stored: 100, missing: 0, duplicated: 0, different: 0 });
    await expectNothingLeft();
  });

  it.each(['Making a PostgreSQL', 'Starting the API'])(
    'leaves nothing when Ctrl-C comes as it says "%s"',
    async (moment) => {
      const running = demo('--mailboxes', '1', '--messages', '10');
      await running.says(moment);
      running.kill('SIGINT');
      expect(await running.ended).toBe(130);
      expect(running.notes()).not.toMatch(/error:/);
      await expectNothingLeft();
    },
  );

  it('leaves nothing when Ctrl-C comes in the middle of the scan', async () => {
    const running = demo('--messages', '50000', '--latency', '50');
    await running.says('Scanning');
    running.kill('SIGINT');
    expect(await running.ended).toBe(130);
    await expectNothingLeft();
  });

  it('ends at once at the second Ctrl-C, and leaves nothing either', async () => {
    const running = demo('--messages', '50000', '--latency', '50');
    await running.says('Scanning');
    running.kill('SIGINT');
    const again = setInterval(() => running.kill('SIGINT'), 100);
    const ended = await running.ended;
    expect(ended, running.notes()).toBe(130);
    clearInterval(again);
    await expectNothingLeft();
  });

  it('removes what a demo that was killed has left', async () => {
    const running = demo('--messages', '50000', '--latency', '50');
    await running.says('Scanning');
    running.kill('SIGKILL');
    await running.ended;
    await vi.waitFor(() => expect(processesNaming(folder)).toEqual([]), { timeout: 40_000, interval: 200 });
    expect(readdirSync(folder)).toHaveLength(1);
    const next = demo('--exit', '--mailboxes', '1', '--messages', '10');
    expect(await next.ended, next.notes()).toBe(0);
    await expectNothingLeft();
  });
});
