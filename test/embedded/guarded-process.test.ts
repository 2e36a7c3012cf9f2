import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { spawnGuarded } from '../../embedded/guarded-process.ts';
import { eventually, isGone, runProgram, script, temporaryFolder } from './support.ts';

const env = { PATH: process.env['PATH'] };
const sh = (body: string) => ({ command: '/bin/sh', args: ['-c', body], env, output: 'pipe' as const });

describe('a guarded process', () => {
  it('tells its output and how it ended', async () => {
    const guarded = await spawnGuarded(sh('echo out; echo err >&2; exit 3'));
    const outputs = await Promise.all(guarded.output.map((stream) => text(stream)));
    expect(outputs).toEqual(['out\n', 'err\n']);
    expect(await guarded.exited).toEqual({ code: 3, signal: null });
  });

  it('is stopped by the next signal where it does not heed the first', async () => {
    const guarded = await spawnGuarded(sh('trap "" TERM; echo ready; while :; do sleep 0.05; done'));
    await new Promise((resolve) => guarded.output[0]?.once('data', resolve));
    const exit = await guarded.stop([
      ['SIGTERM', 100],
      ['SIGKILL', 10_000],
    ]);
    expect(exit.signal).toBe('SIGKILL');
    expect(isGone(guarded.pid)).toBe(true);
  });

  it('takes what it started along when it is a group', async () => {
    const guarded = await spawnGuarded({ ...sh('sleep 600 & echo $!; wait'), group: true });
    const grandchild = await new Promise<number>((resolve) =>
      guarded.output[0]?.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))),
    );
    guarded.kill('SIGTERM');
    await guarded.exited;
    await eventually('the grandchild is gone', () => isGone(grandchild));
  });

  it('ignores signals sent after its end', async () => {
    const guarded = await spawnGuarded(sh('exit 0'));
    await guarded.exited;
    guarded.kill('SIGKILL');
    expect(await guarded.stop([['SIGTERM', 1]])).toEqual({ code: 0, signal: null });
  });

  it('is refused where the command does not exist', async () => {
    await expect(spawnGuarded({ command: '/nonexistent/service', args: [], env, output: 'pipe' })).rejects.toThrow(
      'ENOENT',
    );
  });

  it.each([
    ['heeds the signal', ''],
    ['ignores the signal', 'trap "" TERM'],
  ])('ends when its parent is killed, where it %s', async (_, trap) => {
    const folder = await temporaryFolder();
    const service = await script(join(folder, 'service'), `${trap}\nwhile :; do sleep 0.05; done`);
    const parent = await runProgram(
      folder,
      `import { spawnGuarded } from './embedded/guarded-process.js';
       const { pid } = await spawnGuarded({ command: ${JSON.stringify(service)}, args: [], env: process.env, output: 'pipe',
         graceSeconds: 1 });
       console.log(JSON.stringify({ pid }));`,
    );
    const { pid } = parent.said as { pid: number };
    expect(isGone(pid)).toBe(false);
    parent.process.kill('SIGKILL');
    await eventually('the service is gone', () => isGone(pid));
  });

  it("does not hear a terminal's Ctrl-C, which is for its parent", async () => {
    const folder = await temporaryFolder();
    const heard = join(folder, 'heard');
    const service = await script(
      join(folder, 'service'),
      `trap 'echo INT >> ${heard}' INT\ntrap 'echo TERM >> ${heard}; exit' TERM\necho ready\nwhile :; do sleep 0.05; done`,
    );
    const parent = await runProgram(
      folder,
      `import { spawnGuarded } from './embedded/guarded-process.js';
       const service = await spawnGuarded({ command: ${JSON.stringify(service)}, args: [], env: process.env, output: 'pipe' });
       await new Promise((resolve) => service.output[0].once('data', resolve));
       process.on('SIGINT', () => void service.stop([['SIGTERM', 10000]]));
       console.log(JSON.stringify({ pid: service.pid }));`,
    );
    const { pid } = parent.said as { pid: number };
    process.kill(-parent.process.pid!, 'SIGINT');
    await eventually('the service is gone', () => isGone(pid));
    expect(await readFile(heard, 'utf8')).toBe('TERM\n');
  });
});
