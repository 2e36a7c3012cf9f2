import { describe, expect, it } from 'vitest';
import { PortTakenError } from '../../embedded/errors.ts';
import { freePort, withPort } from '../../embedded/ports.ts';

const inUse = (): Promise<never> => Promise.reject(new Error('bind: Address already in use'));

describe('a port that a service takes', () => {
  it('is the preferred one where it is free, unless another is asked for', async () => {
    const [preferredPort, port] = [await freePort(), await freePort()];
    const echo = (taken: number): Promise<number> => Promise.resolve(taken);
    expect(await withPort('A service', { preferredPort }, echo)).toBe(preferredPort);
    expect(await withPort('A service', { port, preferredPort }, echo)).toBe(port);
  });

  it('is another one where someone was faster at the preferred one, which nobody asked for', async () => {
    const preferredPort = await freePort();
    const tried: number[] = [];
    const start = (port: number): Promise<number> => (tried.push(port) === 1 ? inUse() : Promise.resolve(port));
    expect(await withPort('A service', { preferredPort }, start)).not.toBe(preferredPort);
    expect(tried[0]).toBe(preferredPort);
    const port = await freePort();
    await expect(withPort('A service', { port, preferredPort }, inUse)).rejects.toThrow(PortTakenError);
  });
});
