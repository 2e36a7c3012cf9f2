import type { Step } from '../call.ts';
import { GraphError } from '../errors.ts';
import { MailboxSlots } from '../mailbox-slots.ts';

/** A pause for a mailbox whose throttling came without `Retry-After`, in milliseconds. */
const UNSAID_PAUSE_MS = 1_000;
/** How many mailboxes are remembered before the idle ones are forgotten. */
const SWEEP_AT = 1_024;

/**
 * Holds each mailbox to `limit` requests at a time, and all of its requests back while Graph throttles it: refused
 * requests count against the mailbox too.
 */
export function mailboxConcurrency(limit: number): Step {
  const mailboxes = new Map<string, MailboxSlots>();

  function slotsOf(mailboxId: string): MailboxSlots {
    const known = mailboxes.get(mailboxId);
    if (known !== undefined) return known;
    if (mailboxes.size >= SWEEP_AT) {
      for (const [id, slots] of mailboxes) if (slots.idle) mailboxes.delete(id);
    }
    const slots = new MailboxSlots(limit);
    mailboxes.set(mailboxId, slots);
    return slots;
  }

  return async (call, next) => {
    if (call.mailboxId === undefined) return next(call);
    const slots = slotsOf(call.mailboxId);
    const release = await slots.acquire(call.slots ?? 1, call.signal);
    try {
      const answer = await next(call);
      holdBack(slots, call.throttledBy?.(answer));
      return answer;
    } catch (error) {
      holdBack(slots, error);
      throw error;
    } finally {
      release();
    }
  };
}

function holdBack(slots: MailboxSlots, error: unknown): void {
  if (!(error instanceof GraphError)) return;
  if (error.kind === 'mailbox_busy') slots.pause(error.retryAfterMs ?? 0);
  if (error.kind === 'throttled' && error.scope === 'mailbox') slots.pause(error.retryAfterMs ?? UNSAID_PAUSE_MS);
}
