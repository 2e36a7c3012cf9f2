import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../embedded/ports.ts';
import { startOuthaul } from './outhaul-process.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function outhaul(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const command = startOuthaul(args, env);
  return { code: await command.ended, out: command.out(), notes: command.notes() };
}

describe('the built command', () => {
  it('shows its help on standard output and exits with 0', async () => {
    const { code, out, notes } = await outhaul(['--help']);
    expect({ code, notes }).toEqual({ code: 0, notes: '' });
    expect(out).toContain('outhaul demo');
    expect(out).not.toContain('\u001b');
  });

  it('exits with 2 for a wrong command line, and hides secrets in its configuration', async () => {
    expect((await outhaul(['nonsense'])).code).toBe(2);
    const { code, out } = await outhaul(['config'], { CLIENT_SECRET: 'hunter2', TENANT_ID: 't', CLIENT_ID: 'c' });
    expect(code).toBe(0);
    expect(out).not.toContain('hunter2');
  });

  it('exits with 2 where the key ring is at fault, and shows no stack', async () => {
    const env = { OUTHAUL_KEYS: 'k1:c2hvcnQ=', DATABASE_URL: 'postgres://127.0.0.1:1/x' };
    const { code, notes } = await outhaul(['api'], env);
    expect(code).toBe(2);
    expect(notes).toContain('32 bytes');
    expect(notes).not.toMatch(/\n {4}at /);
  });

  it('shows where an error comes from with LOG_LEVEL=debug', async () => {
    const { notes } = await outhaul(['status', '--url', 'http://127.0.0.1:1'], { LOG_LEVEL: 'debug' });
    expect(notes).toMatch(/\n {4}at /);
    expect(notes).toContain('Caused by:');
  });

  it('exits with 3 where no API is, and asks whether it runs', async () => {
    const { code, notes } = await outhaul(['status', '--url', `http://127.0.0.1:${await freePort()}`]);
    expect(code).toBe(3);
    expect(notes).toContain('`outhaul up`');
  });

  it('exits with 4 where the port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, notes } = await outhaul(['up', '--port', String(port), '--data-dir', join(folder, 'port')]);
    server.close();
    expect(code).toBe(4);
    expect(notes).toContain(`Port ${port}`);
  });

  it('exits with 4 where the data folder cannot be written, belongs to others, or to another version', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    expect(await outhaul(['up', '--port', '0', '--data-dir', join(file, 'data')])).toMatchObject({ code: 4 });
    const foreign = await mkdtemp(join(folder, 'foreign-'));
    await writeFile(join(foreign, 'thesis.docx'), '');
    expect(await outhaul(['up', '--port', '0', '--data-dir', foreign])).toMatchObject({ code: 4 });
    const old = await mkdtemp(join(folder, 'old-'));
    await writeFile(join(old, 'version.json'), '{"format":0,"outhaul":"0.0.1","postgres":9,"temporal":"0"}');
    const { code, notes } = await outhaul(['up', '--port', '0', '--data-dir', old]);
    expect(code).toBe(4);
    expect(notes).toContain('0.0.1');
  });
});
