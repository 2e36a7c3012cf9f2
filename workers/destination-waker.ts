import type { Client } from '@temporalio/client';
import { PRIORITIES } from '../model/destination.ts';
import { unattended, type Sleeper } from '../store/attendance.ts';
import type { Database } from '../store/database.ts';
import type { deliver } from '../workflows/deliver.ts';
import type { Owed } from '../workflows/messages.ts';
import { deliverStart } from '../workflows/starts.ts';

const DEADLINE_MS = 10_000;
/** Between two looks at who attends a destination: pages come faster than it would ever have to be woken. */
const PAUSE_MS = 100;

/** Has the deliveries of destinations made that are owed something by now, and committed. */
export type WakeDestinations = (destinationNos: readonly number[]) => Promise<void>;

interface Wake {
  readonly done: Promise<void>;
  /** Whether it has looked already at who attends the destination: who comes later needs another one. */
  hasLooked: boolean;
}

/**
 * Wakes the senders of destinations: signals the workflow of each, or starts it, unless somebody has promised to look for
 * deliveries again. However often it is called, a destination is looked at ten times a second at most; a call ends when a
 * look that began after it has.
 * @param taskQueue where workflows that do not run are started
 */
export function destinationWaker(
  { db, client }: { readonly db: Database; readonly client: Client },
  { taskQueue }: { readonly taskQueue: string },
): WakeDestinations {
  const latest = new Map<number, Wake>();
  const look = async (destinationNo: number): Promise<void> => {
    for (const sleeper of await unattended(db, [destinationNo])) await signal(client, taskQueue, sleeper);
  };
  const wake = (destinationNo: number): Promise<void> => {
    const before = latest.get(destinationNo);
    if (before && !before.hasLooked) return before.done;
    const next: Wake = {
      hasLooked: false,
      done: (before ? settledAndRested(before) : Promise.resolve()).then(() => {
        next.hasLooked = true;
        return look(destinationNo);
      }),
    };
    latest.set(destinationNo, next);
    const forget = (): void => {
      if (latest.get(destinationNo) === next) latest.delete(destinationNo);
    };
    const end = (): void => void setTimeout(forget, PAUSE_MS).unref();
    next.done.then(end, end);
    return next.done;
  };
  return async (destinationNos) => {
    await Promise.all(destinationNos.map(wake));
  };
}

const settledAndRested = ({ done }: Wake): Promise<void> =>
  new Promise((resolve) => {
    const rest = (): void => void setTimeout(resolve, PAUSE_MS);
    done.then(rest, rest);
  });

const signal = (client: Client, taskQueue: string, sleeper: Sleeper): Promise<unknown> => {
  const priority = PRIORITIES.find((known) => known === sleeper.priority) ?? 'medium';
  const start = { ...deliverStart(sleeper, priority), taskQueue };
  return client.withDeadline(Date.now() + DEADLINE_MS, () =>
    client.workflow.signalWithStart<typeof deliver, [Owed]>('deliver', start),
  );
};
