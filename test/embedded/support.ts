import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import ts from 'typescript';
import { onTestFinished, vi } from 'vitest';
import { identify } from '../../embedded/process-identity.ts';

const REPOSITORY = join(import.meta.dirname, '..', '..');

/** A folder that goes with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'outhaul-embedded-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}

/** An executable shell script. */
export async function script(file: string, body: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `#!/bin/sh\n${body}\n`);
  await chmod(file, 0o755);
  return file;
}

/** Waits for a condition; fails the test with what it was, where it does not come true. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitFor(
    async () => {
      if (!(await condition())) throw new Error(`Not so within 30 s: ${what}`);
    },
    { timeout: 30_000, interval: 20 },
  );
}

export const isGone = (pid: number): boolean => identify(pid) === undefined;

/** Pids of the processes whose command line names the folder, which ours then started for it. */
export async function processesOf(folder: string): Promise<number[]> {
  const listing = spawn('ps', ['-eo', 'pid=,args='], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pids: number[] = [];
  for await (const line of createInterface(listing.stdout)) {
    if (line.includes(folder)) pids.push(Number.parseInt(line, 10));
  }
  return pids;
}

async function transpileRoom(room: string, folder: string): Promise<void> {
  await mkdir(folder);
  for (const name of await readdir(join(REPOSITORY, room))) {
    if (!name.endsWith('.ts')) continue;
    const { outputText } = ts.transpileModule(await readFile(join(REPOSITORY, room, name), 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2023,
        rewriteRelativeImportExtensions: true,
      },
    });
    await writeFile(join(folder, name.replace(/\.ts$/, '.js')), outputText);
  }
}

/**
 * Runs a program that imports the embedded room, in a process of its own that a test may kill. Node 20 runs no TypeScript,
 * so the room, and what it imports, is transpiled into the folder. The program's first line of output is awaited and parsed as JSON.
 */
export async function runProgram(folder: string, program: string): Promise<{ process: ChildProcess; said: unknown }> {
  for (const room of ['embedded', 'config', 'model']) await transpileRoom(room, join(folder, room));
  await cp(join(REPOSITORY, 'package.json'), join(folder, 'package.json'));
  await symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'program.js'), program);
  const child = spawn(process.execPath, ['program.js'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`The program ended with ${code}`))),
  ])) as [string];
  return { process: child, said: JSON.parse(line) };
}
