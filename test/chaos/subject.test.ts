import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Subject } from '../../chaos/subject.ts';
import { send, spawnGuarded } from '../../embedded/guarded-process.ts';

/** `S` sleeping, `T` stopped, `Z` dead; undefined where there is no such process. */
const stateOf = (pid: number): string | undefined =>
  spawnSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim()[0];

describe('a process among faults', () => {
  const said: string[] = [];
  let subject: Subject;
  /** A shell with a child of its own, as PostgreSQL has. */
  const start = async () => {
    const child = await spawnGuarded({
      command: '/bin/sh',
      args: ['-c', 'sleep 600 & echo $!; wait'],
      env: { PATH: process.env['PATH'] },
      output: 'pipe',
    });
    const [line] = (await once(child.output[0]!, 'data')) as [Buffer];
    children.push(Number(line.toString()));
    return { ...child, stop: async () => void (await child.stop([['SIGKILL', 5_000]])) };
  };
  const children: number[] = [];
  const at = (index: number): number => children.at(index)!;
  const noTime = (): Promise<void> => Promise.resolve();

  afterEach(() => {
    subject.end();
    for (const pid of children.splice(0)) send(pid, 'SIGKILL');
  });

  it('that is killed goes with its children, and is there again', async () => {
    subject = new Subject({ name: 'the shell', start, say: (line) => said.push(line) });
    await subject.start();
    const { pid } = subject;
    await subject.killed(0, noTime);
    expect(subject.pid).not.toBe(pid);
    await vi.waitFor(() => expect([undefined, 'Z']).toContain(stateOf(at(0))));
    expect(stateOf(at(1))).toBe('S');
    expect(subject.endedByItself).toBe(0);
  });

  it('that is frozen stands still with its children, and goes on', async () => {
    subject = new Subject({ name: 'the shell', start, say: (line) => said.push(line) });
    await subject.start();
    await subject.frozen(0, async () => {
      await vi.waitFor(() => expect([stateOf(subject.pid!), stateOf(at(-1))]).toEqual(['T', 'T']));
    });
    await vi.waitFor(() => expect([stateOf(subject.pid!), stateOf(at(-1))]).toEqual(['S', 'S']));
  });

  it('that ends by itself is started again, and said to have', async () => {
    subject = new Subject({ name: 'the shell', start, say: (line) => said.push(line) });
    await subject.start();
    const { pid } = subject;
    process.kill(pid!, 'SIGKILL');
    await vi.waitFor(() => expect(subject.endedByItself).toBe(1));
    await vi.waitFor(() => expect(subject.pid).not.toBe(pid));
    expect(said.at(-1)).toContain('the shell ended by itself (SIGKILL)');
  });
});
