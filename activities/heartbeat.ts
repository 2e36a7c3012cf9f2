import { Context } from '@temporalio/activity';
import { afterFailure, type AttemptHistory } from './attempts.ts';

/** A heartbeat in at least this many ms; the heartbeat time-out is 12 s. */
const INTERVAL_MS = 3000;

/**
 * What an activity carries from one attempt to the next. Temporal keeps the last heartbeat's details when an attempt is
 * lost, and a failed attempt sends its own before the failure is reported.
 * https://docs.temporal.io/encyclopedia/detecting-activity-failures#activity-heartbeat
 */
interface Carried extends AttemptHistory {
  /** Where the activity's own work stands. */
  readonly progress?: unknown;
}

/** By the attempt's context, which is all that an activity and its interceptor share. */
const carriedBy = new WeakMap<Context, Carried>();

function carried(context: Context): Carried {
  const known = carriedBy.get(context);
  if (known) return known;
  const { failures, ...rest } = Object(context.info.heartbeatDetails) as Partial<Carried>;
  return typeof failures === 'number' ? { ...rest, failures } : { failures: 0 };
}

/** What the earlier attempts of the running activity came to. */
export const historyOf = (context: Context): AttemptHistory => carried(context);

/** Records that the attempt ended by `error`, for the attempts after it; returns the history with it. */
export function recordFailure(context: Context, error: unknown, now = Date.now()): AttemptHistory {
  const before = carried(context);
  const after = afterFailure(before, error, now);
  if (after !== before) context.heartbeat({ progress: before.progress, ...after } satisfies Carried);
  return after;
}

/**
 * Beats by timer while `work` runs, with the progress it gave last. A timer is honest here because everything that
 * `work` waits for has a deadline of its own. The first beat comes with the first interval: most slices end before, and
 * each beat costs the server a write; what the attempt before has told stays until then.
 * @param work is given the progress of an earlier attempt, if there was one
 */
export async function whileBeating<T, Progress>(
  work: (beat: (progress: Progress) => void, before: Progress | undefined) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const start = carried(context);
  const send = (): void => context.heartbeat(carried(context));
  carriedBy.set(context, start);
  const timer = setInterval(send, INTERVAL_MS);
  try {
    return await work(
      // A mailbox that makes progress is not busy.
      (progress) => carriedBy.set(context, { failures: start.failures, progress }),
      start.progress as Progress | undefined,
    );
  } finally {
    clearInterval(timer);
  }
}
