import { chmod, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DataFolderError, openDataFolder, TEMPORAL_VERSION, type DataFolderProblem } from '../../embedded/index.ts';
import { runProgram, temporaryFolder } from './support.ts';

const open = (dir: string) => openDataFolder(dir, { outhaulVersion: '0.1.0' });

const refusal = async (dir: string, problem: DataFolderProblem): Promise<string> => {
  const error = await open(dir).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DataFolderError);
  expect((error as DataFolderError).problem).toBe(problem);
  return (error as DataFolderError).message;
};

describe('a data folder', () => {
  it('is made for its owner only, and says who made it', async () => {
    const dir = join(await temporaryFolder(), 'deep', 'down');
    const folder = await open(dir);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    expect(JSON.parse(await readFile(join(dir, 'version.json'), 'utf8'))).toEqual(folder.madeBy);
    expect(folder.madeBy).toEqual({ format: 1, outhaul: '0.1.0', postgres: 18, temporal: TEMPORAL_VERSION });
    expect(folder.path('api-key')).toBe(join(dir, 'api-key'));
    await folder.release();
  });

  it('is opened again after its release, by a later version too', async () => {
    const dir = await temporaryFolder();
    await (await open(dir)).release();
    const again = await openDataFolder(dir, { outhaulVersion: '0.2.0' });
    expect(again.madeBy.outhaul).toBe('0.1.0');
    await again.release();
    expect(await readdir(dir)).toEqual(['version.json']);
  });

  it('is closed to others where it was open', async () => {
    const dir = await temporaryFolder();
    await chmod(dir, 0o755);
    await (await open(dir)).release();
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
  });

  it('is refused to a second one while the first has it, who is named', async () => {
    const dir = await temporaryFolder();
    const first = await open(dir);
    expect(await refusal(dir, 'in use')).toContain(`in use by the process with pid ${process.pid}`);
    await first.release();
    await (await open(dir)).release();
  });

  it('goes to one of many who want it at once', async () => {
    const dir = await temporaryFolder();
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => open(dir)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('is free again when the process that had it was killed', async () => {
    const folder = await temporaryFolder();
    const dir = join(folder, 'data');
    const holder = await runProgram(
      folder,
      `import { openDataFolder } from './embedded/index.js';
       await openDataFolder(${JSON.stringify(dir)}, { outhaulVersion: '0.1.0' });
       console.log(JSON.stringify(process.pid));
       setInterval(() => undefined, 1000);`,
    );
    expect(await refusal(dir, 'in use')).toContain(`pid ${String(holder.said)}`);
    holder.process.kill('SIGKILL');
    await new Promise((resolve) => holder.process.once('exit', resolve));
    await (await open(dir)).release();
  });

  it('is free again when the pid in its lock now belongs to another process', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'lock'), JSON.stringify({ pid: process.pid, started: 'long ago' }));
    await (await open(dir)).release();
  });

  it('is free again when its lock is damaged', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'lock'), '{"pid":');
    await (await open(dir)).release();
  });

  it.each([
    ['another format', { format: 2, outhaul: '9.0.0', postgres: 18, temporal: '2.0.0' }],
    ['another PostgreSQL', { format: 1, outhaul: '0.0.1', postgres: 16, temporal: '1.0.0' }],
  ])('is refused where it was made for %s', async (_, version) => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'version.json'), JSON.stringify(version));
    expect(await refusal(dir, 'other version')).toContain(`Run it with Outhaul ${version.outhaul}`);
    expect(await readdir(dir)).toEqual(['version.json']);
  });

  it('is refused where its version is damaged', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'version.json'), '{');
    expect(await refusal(dir, 'other version')).toContain('is damaged');
  });

  it("is refused, and left alone, where it holds someone else's files", async () => {
    const dir = await temporaryFolder();
    await chmod(dir, 0o755);
    await mkdir(join(dir, 'photos'));
    expect(await refusal(dir, 'not ours')).toContain('Choose an empty or a new folder');
    expect((await stat(dir)).mode & 0o777).toBe(0o755);
    expect(await readdir(dir)).toEqual(['photos']);
  });

  it.each(['/proc/outhaul/data', join(import.meta.filename, 'below'), import.meta.filename])(
    'is refused where %s cannot be written',
    async (dir) => {
      expect(await refusal(dir, 'not writable')).toContain(`The data folder ${dir} cannot be used`);
    },
  );
});
