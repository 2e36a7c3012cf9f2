import { setTimeout as delay } from 'node:timers/promises';

/** Has mailboxes of an organization read for nobody in particular, in a measured way. */
export type WakeMailboxes = (
  organizationId: string,
  mailboxIds: readonly string[],
  signal: AbortSignal,
) => Promise<void>;

/** Readers asked between two pauses, so that thousands do not come down on Temporal and Graph at once. */
const AT_ONCE = 20;

export const measuredWaking =
  (
    wakeReader: (organizationId: string, mailboxId: string) => Promise<void>,
    { pauseMs = 200 }: { readonly pauseMs?: number } = {},
  ): WakeMailboxes =>
  async (organizationId, mailboxIds, signal) => {
    for (let at = 0; at < mailboxIds.length; at += AT_ONCE) {
      if (at > 0) await delay(pauseMs, undefined, { signal });
      await Promise.all(mailboxIds.slice(at, at + AT_ONCE).map((id) => wakeReader(organizationId, id)));
    }
  };
