import { describe, expect, it, vi } from 'vitest';
import { healthOf } from '../../destinations/health-of.ts';
import { DestinationUnavailable, type Sender } from '../../destinations/sender.ts';

const never = new AbortController().signal;
const senderOf = (health: Sender['health']) => ({ async *send() {}, health, close: vi.fn(async () => undefined) });

describe('how a destination is', () => {
  it('is what its sender says, which is closed then', async () => {
    const well = { healthy: true, latencyMs: 1, detail: 'It is there' };
    const sender = senderOf(async () => well);
    expect(await healthOf(() => sender, { signal: never, patienceMs: 60_000 })).toEqual(well);
    expect(sender.close).toHaveBeenCalledOnce();
  });

  it('is not well where it is not set up', async () => {
    const open = (): Sender => {
      throw new DestinationUnavailable('misconfigured', 'It has no signing key');
    };
    const health = await healthOf(open, { signal: never, patienceMs: 60_000 });
    expect(health).toEqual({ healthy: false, latencyMs: 0, detail: 'It has no signing key' });
  });

  it('is not well where nothing is heard, also of what listens to no signal', async () => {
    const sender = senderOf(() => new Promise(() => undefined));
    const health = await healthOf(() => sender, { signal: never, patienceMs: 10 });
    expect(health).toEqual({ healthy: false, latencyMs: 10, detail: 'It did not answer within 0.01 s' });
    expect(sender.close).toHaveBeenCalledOnce();
  });

  it('is not known where whoever asks must end, or the sender fails by itself', async () => {
    const ending = new AbortController();
    const sender = senderOf(() => {
      ending.abort(new Error('the process ends'));
      return new Promise(() => undefined);
    });
    await expect(healthOf(() => sender, { signal: ending.signal, patienceMs: 60_000 })).rejects.toThrow(/process ends/);
    expect(sender.close).toHaveBeenCalledOnce();
    const faulty = senderOf(() => Promise.reject(new TypeError('a fault of its own')));
    await expect(healthOf(() => faulty, { signal: never, patienceMs: 60_000 })).rejects.toThrow(TypeError);
  });
});
