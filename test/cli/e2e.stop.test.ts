import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { generateKey } from '../../config/key-ring.ts';
import { freePort } from '../../embedded/ports.ts';
import { Wire } from '../api/support/wire.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { processesNaming, startOuthaul, type Outhaul } from './outhaul-process.ts';

let folder: string;
let database: TestDatabase;
const running: Outhaul[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-stop-'));
  database = await createTestDatabase();
});
afterEach(async () => {
  for (const process of running) process.kill('SIGKILL');
  await Promise.all(running.splice(0).map(({ ended }) => ended));
});
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** Sends it again and again until the process is gone: of two that come at once the second is taken for an echo. */
async function terminateAgain(process: Outhaul): Promise<number | NodeJS.Signals> {
  const again = setInterval(() => process.kill('SIGTERM'), 100);
  return process.ended.finally(() => clearInterval(again));
}

describe('outhaul api', () => {
  it('ends in order at the first SIGTERM and at once at the second, though requests hang', async () => {
    const url = new URL(database.url);
    const wire = new Wire(url.hostname, Number(url.port));
    url.port = String(await wire.open());
    const port = await freePort();
    const api = startOuthaul(['api'], {
      DATABASE_URL: url.href,
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      OUTHAUL_KEYS: generateKey(),
      PORT: String(port),
    });
    running.push(api);
    await api.says('The API listens');
    const key = await vi.waitUntil(() => /(outhaul_\S+)\s/.exec(api.notes())?.[1], { timeout: 10_000 });
    wire.cut();
    const hanging = fetch(`http://127.0.0.1:${port}/api/v1/keys`, { headers: { authorization: `Bearer ${key}` } });
    hanging.catch(() => undefined);
    await vi.waitUntil(() => wire.ignored > 0, { timeout: 30_000 });
    api.kill('SIGTERM');
    await api.says('Closing the API');
    expect(await terminateAgain(api)).toBe(143);
    expect(api.out() + api.notes()).not.toContain('The API has ended');
    await expect(hanging).rejects.toThrow();
    wire.close();
  });
});

describe('outhaul up', () => {
  it('at the second SIGTERM ends what it runs at once, though the worker hangs', { timeout: 200_000 }, async () => {
    const data = join(folder, 'data');
    const env = { TMPDIR: folder };
    const up = startOuthaul(['up', '--port', '0', '--temporal-port', '0', '--data-dir', data], env);
    running.push(up);
    await up.says('Outhaul runs');
    const [worker] = processesNaming(data).filter((line) => line.includes('--ready-file'));
    process.kill(Number.parseInt(worker ?? '', 10), 'SIGSTOP');
    up.kill('SIGTERM');
    await up.says('Stopping in order');
    expect(await terminateAgain(up)).toBe(143);
    await vi.waitFor(() => expect(processesNaming(data)).toEqual([]), { timeout: 20_000 });
  });
});
