import { execFile } from 'node:child_process';
import { chmod, cp, lstat, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { findPostgresBinaries, packagedPostgres, type PackagedPostgres } from '../../embedded/postgres-binaries.ts';
import { canEnter, type ServiceUser } from '../../embedded/service-user.ts';
import { temporaryFolder } from './support.ts';

/** Owns nothing on this machine. */
const someone: ServiceUser = { name: 'someone', uid: 4_194_000, gid: 4_194_000 };

const hasOpenFolder = canEnter(someone, tmpdir());
if (!hasOpenFolder) {
  process.stderr.write(
    `The test of programs copied for a service user is skipped: another user cannot enter ${tmpdir()}\n`,
  );
}

/** The package as npm leaves it where it does not run install scripts: without its links. */
async function packageWithoutLinks(folder: string): Promise<PackagedPostgres> {
  const packaged = await packagedPostgres();
  const native = join(folder, 'native');
  await cp(packaged.native, native, { recursive: true, verbatimSymlinks: true });
  for (const name of await readdir(native, { recursive: true })) {
    if ((await lstat(join(native, name))).isSymbolicLink()) await rm(join(native, name));
  }
  await chmod(join(native, 'bin', 'postgres'), 0o644);
  return { ...packaged, native };
}

const versionOf = async (binDir: string): Promise<string> =>
  (await promisify(execFile)(join(binDir, 'postgres'), ['--version'])).stdout.trim();

describe("PostgreSQL's programs", () => {
  it('run in place once their links are made', async () => {
    const packaged = await packageWithoutLinks(await temporaryFolder());
    const options = { cacheDir: '/nonexistent', user: undefined, log: expect.unreachable };
    const { binDir, major } = await findPostgresBinaries(packaged, options);
    expect(binDir).toBe(join(packaged.native, 'bin'));
    expect(await versionOf(binDir)).toMatch(new RegExp(`^postgres \\(PostgreSQL\\) ${major}\\.`));
    expect(await findPostgresBinaries(packaged, options)).toMatchObject({ binDir });
  });

  it.skipIf(!hasOpenFolder)('are copied once to an open folder for a service user barred from theirs', async () => {
    const closed = await temporaryFolder();
    await chmod(closed, 0o700);
    const packaged = await packageWithoutLinks(closed);
    const open = await temporaryFolder();
    await chmod(open, 0o755);
    const lines: string[] = [];
    const options = { cacheDir: join(open, 'cache'), user: someone, log: (line: string) => lines.push(line) };
    const { binDir } = await findPostgresBinaries(packaged, options);
    expect(binDir.startsWith(join(open, 'cache', 'postgres-'))).toBe(true);
    expect(canEnter(someone, binDir)).toBe(true);
    expect((await stat(join(binDir, 'postgres'))).mode & 0o555).toBe(0o555);
    expect(await versionOf(binDir)).toContain('PostgreSQL');
    expect(lines).toEqual([expect.stringContaining('Copying')]);
    expect(await findPostgresBinaries(packaged, options)).toMatchObject({ binDir });
    expect(lines).toHaveLength(1);
    expect(await readdir(join(open, 'cache'))).toHaveLength(1);
  });
});
