import { DestinationUnavailable, type Health, type Sender } from '../destinations/sender.ts';

/** How long a destination has to say how it is, ms. */
const PATIENCE_MS = 5_000;

/** Asks a destination how it is; what does not answer in time, or is not set up, is not well. */
export async function healthOf(open: () => Sender | Promise<Sender>, signal: AbortSignal): Promise<Health> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let sender: Sender | undefined;
  try {
    sender = await open();
    return await sender.health(AbortSignal.any([signal, patience]));
  } catch (error) {
    if (error instanceof DestinationUnavailable) return { healthy: false, latencyMs: 0, detail: error.message };
    if (signal.aborted || !patience.aborted) throw error;
    const detail = `It did not answer within ${PATIENCE_MS / 1000} s`;
    return { healthy: false, latencyMs: PATIENCE_MS, detail };
  } finally {
    await sender?.close();
  }
}
