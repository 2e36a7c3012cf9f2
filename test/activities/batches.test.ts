import { describe, expect, it } from 'vitest';
import { Batches } from '../../activities/batches.ts';

describe('batches', () => {
  it('do in one go what was asked for while another was being done', async () => {
    const done: string[][] = [];
    const waiting: (() => void)[] = [];
    const batches = new Batches<string>(async (items) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      done.push([...items]);
    }, 0);
    const first = batches.add('a');
    await Promise.resolve();
    const others = [batches.add('b'), batches.add('c')];
    waiting.shift()?.();
    await first;
    expect(done).toEqual([['a']]);
    const letGo = setInterval(() => waiting.shift()?.(), 1);
    await Promise.all(others);
    clearInterval(letGo);
    expect(done).toEqual([['a'], ['b', 'c']]);
  });

  it('that fail tell whoever is in them, and the next one goes on', async () => {
    const batches = new Batches<string>(
      (items) => (items.includes('bad') ? Promise.reject(new Error('refused')) : Promise.resolve()),
      0,
    );
    const failing = [batches.add('bad'), batches.add('beside it')];
    for (const one of failing) await expect(one).rejects.toThrow('refused');
    await expect(batches.add('good')).resolves.toBeUndefined();
  });
});
