import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `npm run build`: compiles into `dist/` and bundles the workflows there, unless what lies there was built from exactly
 * this. So `npm ci`, `npm test` and `npx outhaul` may all ask for it, and it is done once.
 */
const here = fileURLToPath(new URL('.', import.meta.url));

/** Which sources `dist/` was built from. */
const stampOf = (root) => join(root, 'dist', '.built-from');

/** A hash of all that the build depends on: the rooms' code, compiler options, installed versions. */
export async function fingerprint(root) {
  const { include } = JSON.parse(await readFile(join(root, 'tsconfig.build.json'), 'utf8'));
  const rooms = await Promise.all(
    include.map(async (room) => (await readdir(join(root, room), { recursive: true })).map((file) => join(room, file))),
  );
  const code = rooms.flat().filter((file) => /\.[jt]s$/.test(file) && !/\/(node_modules|dist)\//.test(file));
  const hash = createHash('sha256');
  for (const file of ['build.js', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', ...code.sort()]) {
    const bytes = await readFile(join(root, file));
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

/** Whether `dist/` holds what these sources make. */
export async function isBuilt(root = here) {
  const stamp = await readFile(stampOf(root), 'utf8').catch(() => undefined);
  return stamp !== undefined && stamp === (await fingerprint(root));
}

/** Builds with `compile`, unless nothing has changed since the last time. Says whether it did. */
export async function build(compile, root = here) {
  if (await isBuilt(root)) return false;
  const from = await fingerprint(root);
  await rm(stampOf(root), { force: true });
  await compile();
  await writeFile(stampOf(root), from);
  return true;
}

function compile() {
  const run = (...args) => {
    const { status } = spawnSync(process.execPath, args, { cwd: here, stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  };
  run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
  run('dist/workers/bundle.js');
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !(await build(compile))) {
  process.stdout.write('dist/ is up to date\n');
}
