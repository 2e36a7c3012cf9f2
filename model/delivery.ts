/**
 * The life of a delivery, which is one message or attachment owed to one destination:
 *
 * - `waiting`: owed, and its message's attachments are not there yet. Once they are, a destination that takes messages is
 *   owed this one (`owed`), one that takes attachments each that it wants, in a delivery of its own; or nothing, where the
 *   filters want none of them.
 * - `owed`: to be sent when it is due.
 * - `claimed`: somebody sends it, until the claim ends. Whoever is lost loses it: after that it is as good as owed. Kinds
 *   that take one sender at a time know no such state: there the destination itself is claimed.
 * - `delivered`: accepted. Over, until somebody has it replayed.
 * - `dead`: refused for good, or too often, or owed for too long. Kept until somebody retries or drops it.
 *
 * A refusal counts as an attempt and leads back to `owed` for later, or to `dead`. Where the destination as a whole is
 * away nothing was attempted, and nothing is counted.
 */
export const DELIVERY_STATUSES = ['waiting', 'owed', 'claimed', 'delivered', 'dead'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** Which deliveries of a destination go first: those of new mail, of a scan, of what was stored long ago. */
export const URGENCY = { live: 1, scanned: 3, stored: 5 } as const;
export type Urgency = (typeof URGENCY)[keyof typeof URGENCY];

/**
 * In an ordered destination, a message that waits for its attachments holds back what was stored after it for so long at
 * most. Then the others pass, so that one mailbox that cannot be read does not stop all.
 */
export const HOLD_SECONDS = 60;

/** Causes of death that no destination has named: it was owed for too long; or waited as long for its attachments. */
export const WAITED_TOO_LONG = 'WaitedTooLong';
export const ATTACHMENTS_MISSING = 'AttachmentsMissing';

const FIRST_PAUSE_MS = 1_000;
const PAUSE_FACTOR = 4;
const LONGEST_PAUSE_MS = 300_000;

/**
 * How long to wait after an attempt, ms: 1 s, 4 s, 16 s and so on to 5 minutes, each up to a half shorter by chance, so
 * that what failed together does not come back together. The chance is drawn from the seed: the same delivery gets the
 * same answer again.
 * @param attempts made so far, at least 1
 */
export function pauseAfter(attempts: number, seed: number): number {
  const whole = Math.min(FIRST_PAUSE_MS * PAUSE_FACTOR ** (attempts - 1), LONGEST_PAUSE_MS);
  return Math.round(whole * (1 - chance(seed, attempts) / 2));
}

/** A number from 0 up to 1 that follows from two others (the finalizer of MurmurHash3). */
function chance(seed: number, step: number): number {
  let hash = Math.imul(seed ^ Math.floor(seed / 2 ** 32), 0x9e3779b1) ^ Math.imul(step, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** A destination said no. */
export interface Refusal {
  readonly deliveryNo: number;
  /** Made before this one. */
  readonly attempts: number;
  /** Whether another attempt may succeed. */
  readonly retry: boolean;
  /** When the destination wants to be asked again; ours is the least. */
  readonly retryAfterMs?: number | undefined;
}

/** In how many ms to try again; null: not at all, it is a dead letter now. */
export function retryIn({ deliveryNo, attempts, retry, retryAfterMs = 0 }: Refusal, most: number): number | null {
  const made = attempts + 1;
  return retry && made < most ? Math.max(pauseAfter(made, deliveryNo), retryAfterMs) : null;
}

/** Whether something that is owed since then has to become a dead letter; both in ms. */
export const hasWaitedTooLong = (owedAt: number, now: number, maxWaitSeconds: number): boolean =>
  now - owedAt > maxWaitSeconds * 1000;

/**
 * Under which a destination knows one delivery again that comes twice: the same for every attempt, another one when it
 * is replayed on purpose.
 */
export const idempotencyKey = (delivery: {
  readonly destinationId: string;
  readonly deliveryNo: number;
  readonly replays: number;
}): string => `${delivery.destinationId}/${delivery.deliveryNo}/${delivery.replays}`;
