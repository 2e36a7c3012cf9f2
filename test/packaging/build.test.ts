import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { build, isBuilt } from '../../build.js';

let root: string;
const write = (file: string, text: string): Promise<void> => writeFile(join(root, file), text);
const compile = vi.fn(async () => void (await mkdir(join(root, 'dist'), { recursive: true })));

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'outhaul-build-'));
  await mkdir(join(root, 'room'));
  for (const file of ['build.js', 'package-lock.json', 'tsconfig.json', 'room/a.ts']) await write(file, '');
  await write('tsconfig.build.json', '{"include": ["room"]}');
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(() => compile.mockClear());

describe('the build', () => {
  it('is done once for the same sources', async () => {
    expect(await isBuilt(root)).toBe(false);
    expect(await build(compile, root)).toBe(true);
    expect(await isBuilt(root)).toBe(true);
    expect(await build(compile, root)).toBe(false);
    expect(compile).toHaveBeenCalledTimes(1);
  });

  it.each([
    ['a file changes', 'room/a.ts'],
    ['a file is added', 'room/b.js'],
    ['another version of a package is installed', 'package-lock.json'],
    ['the compiler is told otherwise', 'tsconfig.json'],
  ])('is done again when %s', async (_, file) => {
    await write(file, `${file} as it is now`);
    expect(await build(compile, root)).toBe(true);
    expect(await build(compile, root)).toBe(false);
  });

  it('is done again when a file is taken away', async () => {
    await rm(join(root, 'room/a.ts'));
    expect(await build(compile, root)).toBe(true);
  });

  it('is not taken for done when it failed, nor what it left for what stood there before', async () => {
    await write('room/c.ts', 'not TypeScript');
    await expect(build(() => Promise.reject(new Error('does not compile')), root)).rejects.toThrow('does not compile');
    await rm(join(root, 'room/c.ts'));
    expect(await isBuilt(root)).toBe(false);
  });

  it('does not mind files that are not code', async () => {
    await build(compile, root);
    await write('room/readme.md', 'words');
    expect(await build(compile, root)).toBe(false);
  });
});
