import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { BatchLog, ItemBatch } from '../destinations/sender.ts';
import type { Database } from '../store/database.ts';
import { claimDeliveries, nextInOrder, renewClaims, settleDeliveries } from '../store/deliveries.ts';
import type { OwedDelivery, Place, Settled, Settlement } from '../store/deliveries.ts';
import type { UnfinishedBatch } from '../store/batches.ts';
import { claimDestination, releaseDestination, renewDestination } from '../store/destination-claims.ts';
import { ClaimLost } from '../store/errors.ts';
import { BatchCuts } from './batch-cuts.ts';

/** How long claims last unless they are renewed: so long, what a killed worker was sending waits. */
const CLAIM_SECONDS = 15;
const RENEW_EVERY_MS = 4_000;
/** How often the line is looked at from its beginning, ms, while it is being sent. */
const WHOLE_LINE_MS = 500;

/** A delivery that was taken, and the batch that it is in already. */
export type TakenDelivery = OwedDelivery & { readonly batch?: Omit<ItemBatch, 'size'> };

/** What one drain may send: nobody else does meanwhile. */
export interface Claims {
  /**
   * The next deliveries that are due and were not taken yet, at most so many; or all that is owed of a batch that was cut
   * before: those come first, and one at a time.
   * @throws {ClaimLost}
   */
  take(limit: number): Promise<TakenDelivery[]>;
  /** @throws {ClaimLost} */
  settle(outcomes: readonly Settled[]): Promise<Settlement>;
  /** Gives back what was taken and not settled, as if it had not been taken. */
  handBack(): Promise<void>;
  /** Aborts when the right to send is gone. */
  readonly lost: AbortSignal;
  /** Of a whole destination: keeps how batches are cut. */
  readonly batches?: BatchLog;
}

export interface ClaimOptions {
  readonly db: Database;
  readonly destinationNo: number;
}

export interface LineOptions extends ClaimOptions {
  /** `claimToken`: no attempt waits for a lost one before it. */
  readonly token: string;
  readonly signal: AbortSignal;
  /** Aborts when the claim is not waited for any more. */
  readonly stopping: AbortSignal;
}

/** Runs `work` with claims on single deliveries, each claimed as it is taken: others may take others. */
export async function withSingleClaims<T>(
  { db, destinationNo }: ClaimOptions,
  work: (claims: Claims) => Promise<T>,
): Promise<T> {
  // Another one for each attempt: what a lost attempt still says of its deliveries does not touch those of its successor.
  const token = randomUUID();
  const held = new Set<number>();
  const never = new AbortController().signal;
  const renew = async (): Promise<void> => {
    if (held.size > 0) await renewClaims(db, { token, seconds: CLAIM_SECONDS, deliveryNos: [...held] });
  };
  const timer = setInterval(() => void renew().catch(() => undefined), RENEW_EVERY_MS);
  const settle: Claims['settle'] = async (outcomes) => {
    const settlement = await settleDeliveries(db, { destinationNo, token }, outcomes);
    for (const { deliveryNo } of outcomes) held.delete(deliveryNo);
    return settlement;
  };
  const claims: Claims = {
    lost: never,
    async take(limit) {
      const taken = await claimDeliveries(db, { destinationNo, token, seconds: CLAIM_SECONDS, limit });
      for (const { deliveryNo } of taken) held.add(deliveryNo);
      return taken;
    },
    settle,
    async handBack() {
      if (held.size > 0) await settle([...held].map((deliveryNo) => ({ deliveryNo, status: 'untouched' })));
    },
  };
  try {
    return await work(claims);
  } finally {
    clearInterval(timer);
    // What cannot be given back is free when the claims run out.
    await claims.handBack().catch(() => undefined);
  }
}

/**
 * Runs `work` with the claim on a whole destination, whose deliveries are taken in the order of arrival. Waits for
 * another's claim to end.
 * @returns undefined where that was not to be waited for any more
 */
export async function withLineClaim<T>(
  options: LineOptions,
  work: (claims: Claims) => Promise<T>,
): Promise<T | undefined> {
  const { db, destinationNo, token } = options;
  const claim = { destinationNo, token, seconds: CLAIM_SECONDS };
  const acquiredUntil = await acquired(options, claim);
  if (acquiredUntil === undefined) return undefined;
  let endsAt = acquiredUntil;
  const lost = new AbortController();
  const expire = (): void => lost.abort(new ClaimLost(destinationNo));
  let expiry = setTimeout(expire, endsAt - performance.now());
  const renew = async (): Promise<void> => {
    const asked = performance.now();
    try {
      await renewDestination(db, claim);
    } catch (error) {
      if (error instanceof ClaimLost) lost.abort(error);
      return;
    }
    endsAt = asked + CLAIM_SECONDS * 1000;
    clearTimeout(expiry);
    expiry = setTimeout(expire, endsAt - performance.now());
  };
  const timer = setInterval(() => void renew(), RENEW_EVERY_MS);
  const line = new Line(options, lost, () => endsAt);
  try {
    return await work(line);
  } finally {
    clearInterval(timer);
    clearTimeout(expiry);
    // A batch that is over and not forgotten names nothing that is owed.
    await line.batches.end().catch(() => undefined);
    await releaseDestination(db, claim).catch(() => undefined);
  }
}

/** Waits for the claim. @returns when it ends, by this process's monotonic clock */
async function acquired(
  { db, signal, stopping }: LineOptions,
  claim: Parameters<typeof claimDestination>[1],
): Promise<number | undefined> {
  const ended = AbortSignal.any([signal, stopping]);
  for (;;) {
    signal.throwIfAborted();
    if (stopping.aborted) return undefined;
    const asked = performance.now();
    const answer = await claimDestination(db, claim);
    if (answer.acquired) return asked + CLAIM_SECONDS * 1000;
    await delay(Math.min(answer.waitMs, 1000) + 50, undefined, { signal: ended }).catch(() => undefined);
  }
}

/** The line of an ordered destination. Its rows are not marked: what was taken is known here alone. */
class Line implements Claims {
  readonly lost: AbortSignal;
  readonly batches: BatchCuts;
  readonly #options: LineOptions;
  readonly #losing: AbortController;
  readonly #endsAt: () => number;
  /** Taken, and not settled as far as the last question to the store can have known; with the transaction that owed it. */
  readonly #taken = new Map<number, string>();
  #settled: number[] = [];
  /** Behind the last that was taken, there is more; now and then the whole line is looked at, for what was put into it. */
  #place: Place | undefined;
  #wholeAt = -Infinity;
  /** Batches that were cut before what is taken from now on, and not taken yet; undefined: not known. */
  #unfinished: UnfinishedBatch[] | undefined;

  constructor(options: LineOptions, losing: AbortController, endsAt: () => number) {
    this.#options = options;
    this.#losing = losing;
    this.#endsAt = endsAt;
    this.lost = losing.signal;
    this.batches = new BatchCuts({ ...options, xidOf: (deliveryNo) => this.#taken.get(deliveryNo) });
  }

  async take(limit: number): Promise<TakenDelivery[]> {
    // A process that was frozen wakes up here, before any timer can abort.
    if (performance.now() >= this.#endsAt()) this.#losing.abort(new ClaimLost(this.#options.destinationNo));
    this.lost.throwIfAborted();
    return (await this.#unfinishedBatch()) ?? this.#next(limit);
  }

  /** The next batch that was cut before, whole. None of the line is to be had until it is due. */
  async #unfinishedBatch(): Promise<TakenDelivery[] | undefined> {
    if (!this.#unfinished) {
      const { due, batches } = await this.batches.unfinished();
      if (!due && batches.length > 0) return [];
      this.#unfinished = [...batches];
      for (const { deliveryNo, place } of batches.flatMap(({ deliveries }) => deliveries)) {
        this.#taken.set(deliveryNo, place.xid);
      }
    }
    const batch = this.#unfinished.shift();
    return batch?.deliveries.map((delivery) => {
      const { id } = batch;
      return { ...delivery, batch: { id, mayBeTaken: this.batches.mayBeTaken(id) } };
    });
  }

  async #next(limit: number): Promise<OwedDelivery[]> {
    const { db, destinationNo, token } = this.#options;
    // Only the answer to a question that is asked from now on is sure to leave these out.
    const gone = this.#settled;
    this.#settled = [];
    const isWhole = this.#taken.size === gone.length || performance.now() - this.#wholeAt > WHOLE_LINE_MS;
    if (isWhole) this.#wholeAt = performance.now();
    const line = await nextInOrder(
      db,
      isWhole
        ? { destinationNo, token, limit: limit + this.#taken.size }
        : { destinationNo, token, limit, after: this.#place },
    );
    this.#place = line.at(-1)?.place ?? this.#place;
    const fresh = line.filter(({ deliveryNo }) => !this.#taken.has(deliveryNo));
    for (const deliveryNo of gone) this.#taken.delete(deliveryNo);
    for (const { deliveryNo, place } of fresh) this.#taken.set(deliveryNo, place.xid);
    return fresh;
  }

  async settle(outcomes: readonly Settled[]): Promise<Settlement> {
    const { db, destinationNo, token } = this.#options;
    const settlement = await settleDeliveries(db, { destinationNo, token }, outcomes);
    for (const { deliveryNo } of outcomes) this.#settled.push(deliveryNo);
    this.batches.settled(outcomes);
    return settlement;
  }

  async handBack(): Promise<void> {
    this.#unfinished = undefined;
    this.#taken.clear();
    this.#place = undefined;
    this.#settled = [];
  }
}
