import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { generateKey } from '../../config/key-ring.ts';
import { keepRunning } from '../../cli/stack/keep-running.ts';
import { openKeyRing } from '../../cli/stack/key-ring-file.ts';
import { choosePort } from '../../cli/stack/ports.ts';
import { lastWords, type Service } from '../../cli/stack/service.ts';
import { createStops, startTogether } from '../../cli/stack/stops.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A service without a process, that ends when it is told to or made to. */
function fakeService(): Service & { crash: (code: number) => void; isStopped: () => boolean } {
  let end: (code: number) => void = () => undefined;
  let stopped = false;
  const exited = new Promise<{ code: number; signal: null }>((resolve) => {
    end = (code) => resolve({ code, signal: null });
  });
  return {
    pid: 1,
    exited,
    kill: () => end(137),
    stop: () => {
      stopped = true;
      end(0);
      return Promise.resolve();
    },
    lastLines: () => Promise.resolve('first line\nlast words\n'),
    crash: end,
    isStopped: () => stopped,
  };
}

describe('a service that is kept running', () => {
  const never = new AbortController().signal;

  async function keep(outcomes: (ReturnType<typeof fakeService> | Error)[]) {
    const words: string[] = [];
    const queue = [...outcomes];
    const kept = await keepRunning({
      name: 'The worker',
      start: () => {
        const next = queue.shift();
        return next instanceof Error ? Promise.reject(next) : Promise.resolve(next as Service);
      },
      signal: never,
      say: (line) => words.push(line),
      firstDelayMs: 1,
    });
    return { kept, words };
  }

  it('is started again when it crashes, with its exit code and its last words', async () => {
    const [first, second] = [fakeService(), fakeService()];
    const { kept, words } = await keep([first, second]);
    first.crash(3);
    await vi.waitFor(() => expect(kept.current).toBe(second));
    expect(words[0]).toMatch(/^The worker ended unexpectedly \(exit code 3\); it is started again in/);
    expect(words[1]).toContain('last words');
    await kept.stop();
    expect(second.isStopped()).toBe(true);
  });

  it('is tried again where it cannot be started again', async () => {
    const [first, third] = [fakeService(), fakeService()];
    const { kept, words } = await keep([first, new Error('no room'), third]);
    first.crash(1);
    await vi.waitFor(() => expect(kept.current).toBe(third));
    expect(words.join('\n')).toContain('could not be started: no room');
    await kept.stop();
  });

  it('stays away once it was stopped, also between two starts', async () => {
    const first = fakeService();
    const words: string[] = [];
    let starts = 0;
    const kept = await keepRunning({
      name: 'The worker',
      start: () => Promise.resolve((starts++, first)),
      signal: never,
      say: (line) => words.push(line),
      firstDelayMs: 60_000,
    });
    first.crash(1);
    await vi.waitFor(() => expect(words).toHaveLength(2));
    await kept.stop();
    expect(starts).toBe(1);
  });

  it('fails at its first start with what start says', async () => {
    await expect(keep([new Error('no such program')])).rejects.toThrow('no such program');
  });
});

describe('the last words of a log', () => {
  it.each([
    [
      '{"level":"INFO","msg":"one"}\n{"level":"INFO","msg":"Waiting for the database …"}\n',
      'Waiting for the database …',
    ],
    ['starting\nkilled', 'killed'],
    ['{"msg":"x"}\nerror: The port is taken\nStop what uses it.\n', 'error: The port is taken\nStop what uses it.'],
    ['', ''],
  ])('of %j are %j', (log, words) => expect(lastWords(log)).toBe(words));
});

describe('several starts at a time', () => {
  const stoppable = () => {
    const part = { stopped: false, stop: () => Promise.resolve((part.stopped = true)) };
    return part;
  };

  it('give what each of them gives', async () => {
    const [a, b] = [stoppable(), stoppable()];
    const started = await startTogether(
      [() => Promise.resolve(a), () => Promise.resolve(b)],
      new AbortController().signal,
    );
    expect(started).toEqual([a, b]);
  });

  it('fail together: what has started is stopped, what is starting is aborted, the first failure is told', async () => {
    const a = stoppable();
    const aborts: unknown[] = [];
    const slow = (signal: AbortSignal) =>
      new Promise<typeof a>((_, reject) =>
        signal.addEventListener('abort', () => {
          aborts.push(signal.reason);
          reject(new Error('aborted'));
        }),
      );
    const starting = startTogether(
      [() => Promise.resolve(a), slow, () => Promise.reject(new Error('port taken'))],
      new AbortController().signal,
    );
    await expect(starting).rejects.toThrow('port taken');
    expect(a.stopped).toBe(true);
    expect(aborts).toHaveLength(1);
  });
});

describe('stops', () => {
  it('run once, the last added first, and all of them though one fails', async () => {
    const order: string[] = [];
    const stops = createStops();
    stops.add(() => Promise.resolve(order.push('postgres')));
    stops.add(() => Promise.reject(new Error('stuck')));
    stops.add(() => Promise.resolve(order.push('api')));
    await expect(stops.all()).rejects.toThrow('stuck');
    await expect(stops.all()).rejects.toThrow('stuck');
    expect(order).toEqual(['api', 'postgres']);
  });
});

describe('the key ring of a data folder', () => {
  it('is made once, for nobody else to read, and found again', async () => {
    const file = join(folder, 'keys-1');
    const first = await openKeyRing(file, undefined);
    expect(first).toMatchObject({ file, isNew: true });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const again = await openKeyRing(file, undefined);
    expect(again).toMatchObject({ file, isNew: false });
    expect(again.ring.ring.keyIds).toEqual(first.ring.ring.keyIds);
  });

  it('is that of OUTHAUL_KEYS, without a file, where that is set', async () => {
    const file = join(folder, 'keys-2');
    const { ring, ...rest } = await openKeyRing(file, generateKey());
    expect(rest).toEqual({ file: undefined, isNew: false });
    expect(ring.ring.keyIds).toHaveLength(1);
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  it('keeps what the file holds behind the keys of the environment, so that nothing stored is lost', async () => {
    const file = join(folder, 'keys-3');
    const kept = await openKeyRing(file, undefined);
    const { ring } = await openKeyRing(file, `newer:${Buffer.alloc(32, 1).toString('base64')}`);
    expect(ring.ring.keyIds).toEqual(['newer', kept.ring.ring.currentKeyId]);
    expect(await readFile(file, 'utf8')).not.toContain('newer');
  });

  it('is refused when it cannot be used', async () => {
    const file = join(folder, 'keys-4');
    await writeFile(file, 'k1:short\n');
    await expect(openKeyRing(file, undefined)).rejects.toThrow('32 bytes');
  });
});

describe('a port', () => {
  it('is the one that was asked for or none, and a free one where only the usual one is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port: taken } = server.address() as AddressInfo;
    try {
      await expect(choosePort({ service: 'the API', wanted: taken, preferred: 1 })).rejects.toThrow(`Port ${taken}`);
      const chosen = await choosePort({ service: 'the API', preferred: taken });
      expect(chosen).not.toBe(taken);
      expect(await choosePort({ service: 'the API', wanted: 0, preferred: taken })).not.toBe(taken);
      expect(await choosePort({ service: 'the API', preferred: chosen })).toBe(chosen);
    } finally {
      server.close();
    }
  });
});
