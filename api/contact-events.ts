import { setTimeout as pause } from 'node:timers/promises';
import type { SyncProgress } from '../model/contact-sync.ts';
import { contactSyncById, syncEvents, type ContactSync } from '../store/contact-syncs.ts';
import type { Database } from '../store/database.ts';

const LOOK_MS = 300;
/** So often something is sent, that nobody between takes the silence for the end. */
const SILENCE_MS = 15_000;

/**
 * How a sync goes on, as server-sent events: `progress`, and at last `end`. A reader that has lost the connection goes on
 * after the event that it has seen last. Ends with the sync, or when `closing` aborts.
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export async function* contactEvents(
  db: Database,
  sync: ContactSync,
  { after, closing }: { readonly after: number; readonly closing: AbortSignal },
): AsyncGenerator<string> {
  yield 'retry: 2000\n\n';
  let last = after;
  for (let silentSince = Date.now(); !closing.aborted;) {
    // Asked for before the events: what ends the sync is among them then.
    const now = await contactSyncById(db, sync.syncId, null);
    const events = await syncEvents(db, sync.syncNo, last);
    for (const { eventNo, at, event } of events) {
      last = eventNo;
      const isEnd = event.phase === 'completed' || event.phase === 'failed';
      yield textOf(isEnd ? 'end' : 'progress', eventNo, { syncId: sync.syncId, at, ...event });
      if (isEnd) return;
    }
    if (!now || now.endedAt !== null) {
      const message = now?.reason ?? 'The sync has ended';
      yield textOf('end', last, { syncId: sync.syncId, at: now?.endedAt ?? null, ...ended(now, message) });
      return;
    }
    if (events.length > 0) silentSince = Date.now();
    else if (Date.now() - silentSince > SILENCE_MS) {
      silentSince = Date.now();
      yield ': still here\n\n';
    }
    await pause(LOOK_MS, undefined, { signal: closing }).catch(() => undefined);
  }
}

const ended = (sync: ContactSync | undefined, message: string): SyncProgress => ({
  phase: sync?.status === 'completed' ? 'completed' : 'failed',
  message,
  done: 0,
  total: null,
  ...(sync?.counts && { counts: sync.counts }),
});

const textOf = (event: 'progress' | 'end', id: number, data: object): string =>
  `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
