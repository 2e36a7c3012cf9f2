import { DestinationUnavailable, type Health, type Sender } from './sender.ts';

/**
 * Asks a destination how it is; what does not answer in time, or is not set up, is not well.
 * @param patienceMs how long it has to say so
 * @throws the signal's reason, or what opening the sender fails with otherwise
 */
export async function healthOf(
  open: () => Sender | Promise<Sender>,
  { signal, patienceMs }: { readonly signal: AbortSignal; readonly patienceMs: number },
): Promise<Health> {
  const patience = AbortSignal.timeout(patienceMs);
  let sender: Sender | undefined;
  try {
    sender = await open();
    const given = AbortSignal.any([signal, patience]);
    given.throwIfAborted();
    // A folder on a disk that is away listens to no signal.
    return await Promise.race([aborted(given), sender.health(given)]);
  } catch (error) {
    if (error instanceof DestinationUnavailable) return { healthy: false, latencyMs: 0, detail: error.message };
    if (signal.aborted || !patience.aborted) throw error;
    const detail = `It did not answer within ${patienceMs / 1000} s`;
    return { healthy: false, latencyMs: patienceMs, detail };
  } finally {
    await sender?.close();
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
