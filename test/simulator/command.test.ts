import { expect, test } from 'vitest';
import { run } from '../../cli/program.ts';
import { fakeCli, runCli } from '../cli/fake-cli.ts';

/** Runs `outhaul simulate` as long as `look` looks at it. */
async function simulate(args: readonly string[], look: (url: string) => Promise<void>): Promise<void> {
  const cli = fakeCli();
  const ended = run(['simulate', '--port', '0', '--mailboxes', '1', '--messages', '20', '--json', ...args], cli);
  try {
    await expect.poll(() => cli.outText(), { timeout: 20_000 }).toContain('\n');
    await look((JSON.parse(cli.outText()) as { url: string }).url);
  } finally {
    cli.process.emit('SIGTERM');
    await ended;
  }
}

const sim = async (url: string, path: string) => await (await fetch(`${url}/_sim${path}`)).json();

test('the command throttles as Graph does, and has no faults by itself', async () => {
  await simulate([], async (url) => {
    expect(await sim(url, '/limits')).toMatchObject({ mailboxConcurrency: 4, mailboxRequests: 10_000 });
    expect(await sim(url, '/faults')).toEqual({ value: [] });
  });
});

test('the command can begin with faults, without limits, with large bodies in few folders', async () => {
  const args = ['--faults', '5', '--seed', '3', '--no-limits', '--folders', '1', '--body-bytes', '5000'];
  await simulate(args, async (url) => {
    expect(await sim(url, '/limits')).toMatchObject({ mailboxConcurrency: null, requestsPerSecond: null });
    expect(await sim(url, '/faults')).toMatchObject({ value: [{ rate: 0.05, seed: 3, effect: { type: 'oneOf' } }] });
    const { value } = (await sim(url, '/truth/messages')) as { value: { folder: string; message: object }[] };
    expect(new Set(value.map(({ folder }) => folder)).size).toBe(1);
    expect(JSON.stringify(value[0]?.message).length).toBeGreaterThan(2_500);
  });
});

test('the command refuses more faults than requests', async () => {
  const { code, notes } = await runCli(['simulate', '--faults', '101']);
  expect([code, notes]).toEqual([2, expect.stringContaining('between 1 and 100')]);
});
