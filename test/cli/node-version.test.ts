import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { nodeTooOld } from '../../bin/node-version.js';

const run = promisify(execFile);

it.each(['20.19.0', '20.20.1', '22.0.0', '24.1.0', '100.0.0-nightly20300101'])('Node %s will do', (version) => {
  expect(nodeTooOld(version)).toBeUndefined();
});

it.each(['20.18.3', '20.9.0', '18.20.4', '9.0.0'])('Node %s is too old, and one sentence says so', (version) => {
  expect(nodeTooOld(version)).toBe(
    `outhaul needs Node 20.19 or newer, and this is Node ${version}. Install a newer one: https://nodejs.org`,
  );
});

it('says in one sentence what to do where nothing is built', async ({ onTestFinished }) => {
  const folder = await mkdtemp(join(tmpdir(), 'outhaul-unbuilt-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await cp(fileURLToPath(new URL('../../bin', import.meta.url)), join(folder, 'bin'), { recursive: true });
  const started = run(process.execPath, [join(folder, 'bin/outhaul.js'), 'demo']);
  await expect(started).rejects.toMatchObject({ code: 1, stderr: 'Outhaul is not built yet. Run: npm run build\n' });
});

it('is the version that the package asks for', async () => {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  expect((JSON.parse(text) as { engines: { node: string } }).engines.node).toBe('>=20.19');
});
