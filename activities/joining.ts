import { setTimeout as delay } from 'node:timers/promises';
import { liveWork, type LiveWork } from '../store/live-work.ts';
import type { ReadingContext } from './folder-reader.ts';

/** How long hints are waited for, so that one read answers many. */
export interface Joining {
  /** Until no further hint has come for so long, ms. */
  readonly joinMs: number;
  /** After the first hint at most, ms. */
  readonly joinMaxMs: number;
}

/** What a session wants of the mailbox, once no more hints come; undefined where no session wants anything of it. */
export async function joinedWork(
  { db, organization, mailbox, signal }: ReadingContext,
  joining: Joining,
): Promise<LiveWork | undefined> {
  for (;;) {
    const work = await liveWork(db, organization, mailbox.id);
    const pause = work ? pauseBefore(work, joining) : 0;
    if (pause <= 0) return work;
    await delay(pause, undefined, { signal });
  }
}

/** How long to wait for more, ms; 0 or less: not any more. */
export function pauseBefore({ hints, sinceFirstMs }: LiveWork, { joinMs, joinMaxMs }: Joining): number {
  if (hints.length === 0) return 0;
  const sinceLastMs = Math.min(...hints.map(({ ageMs }) => ageMs));
  return Math.min(joinMs - sinceLastMs, joinMaxMs - sinceFirstMs);
}
