import { Context } from '@temporalio/activity';

/** A heartbeat in at least this many ms; the heartbeat time-out is 15 s. */
const INTERVAL_MS = 4000;

/**
 * Beats by timer while `work` runs, with the details it gave last. A timer is honest here because everything that
 * `work` waits for has a deadline of its own.
 */
export async function whileBeating<T>(work: (beat: (details: unknown) => void) => Promise<T>): Promise<T> {
  const context = Context.current();
  let latest: unknown = context.info.heartbeatDetails;
  context.heartbeat(latest);
  const timer = setInterval(() => context.heartbeat(latest), INTERVAL_MS);
  try {
    return await work((details) => {
      latest = details;
    });
  } finally {
    clearInterval(timer);
  }
}
