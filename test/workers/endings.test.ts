import { describe, expect, it, vi } from 'vitest';
import { closeAll, runTogether } from '../../workers/endings.ts';

/** A worker that ends when told to, or when the test makes it fail. */
function worker() {
  let [end, fail] = [(): void => undefined, (_: Error): void => undefined];
  const running = new Promise<void>((resolve, reject) => ([end, fail] = [resolve, reject]));
  return { run: () => running, end, fail };
}

function stage(count: number) {
  const workers = Array.from({ length: count }, worker);
  const stopping = new AbortController();
  const log = { warn: vi.fn() };
  const shutdown = (): void => {
    stopping.abort();
    for (const { end } of workers) end();
  };
  const ran = runTogether(workers, { stopping: stopping.signal, shutdown, log, forceMs: 50 });
  return { workers, stopping, log, shutdown, ran };
}

describe('workers that run together', () => {
  it('end when all of them have ended', async () => {
    const { workers, ran, log } = stage(2);
    const order: string[] = [];
    void ran.then(() => order.push('ran'));
    workers[0]?.end();
    await Promise.resolve();
    order.push('one');
    workers[1]?.end();
    await ran;
    expect(order).toEqual(['one', 'ran']);
    expect(log.warn).not.toHaveBeenCalled();
  });

  it('are all ended when one of them fails, and its error is thrown', async () => {
    const { workers, ran, stopping } = stage(3);
    workers[1]?.fail(new Error('the namespace is gone'));
    await expect(ran).rejects.toThrow('the namespace is gone');
    expect(stopping.signal.aborted).toBe(true);
  });

  it('that were told to end and have work left over do not fail, but say so', async () => {
    const { workers, ran, stopping, log } = stage(2);
    stopping.abort();
    workers[0]?.fail(new Error('Timed out'));
    workers[1]?.end();
    await ran;
    expect(log.warn).toHaveBeenCalledWith(expect.anything(), expect.stringContaining('left behind'));
  });

  it('and hang when they are told to end are left behind', async () => {
    const { workers, ran, stopping, log } = stage(2);
    workers[0]?.end();
    stopping.abort();
    await ran;
    expect(log.warn).toHaveBeenCalledTimes(1);
  });
});

describe('connections', () => {
  it('are closed, each though another cannot be closed', async () => {
    const log = { warn: vi.fn() };
    const closed = vi.fn(() => Promise.resolve());
    await closeAll([() => Promise.reject(new Error('in use')), closed], log);
    expect(closed).toHaveBeenCalled();
    expect(log.warn).toHaveBeenCalledTimes(1);
  });

  it('that hang are left behind', async () => {
    const log = { warn: vi.fn() };
    await closeAll([() => new Promise(() => undefined)], log, 20);
    expect(log.warn).toHaveBeenCalledTimes(1);
  });
});
