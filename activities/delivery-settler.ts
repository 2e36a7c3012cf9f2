import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome, Refusal } from '../destinations/sender.ts';
import { circuitAfter, type Circuit, type CircuitEvent, type CircuitLimits } from '../model/circuit.ts';
import { ATTACHMENTS_MISSING, hasWaitedTooLong, retryIn } from '../model/delivery.ts';
import { KIND_TRAITS } from '../model/destination.ts';
import { BlobsUnavailable, isBlobLost } from '../store/blobs/errors.ts';
import type { Database } from '../store/database.ts';
import type { OwedDelivery, Settled } from '../store/deliveries.ts';
import { tellCircuit } from '../store/destination-claims.ts';
import type { Destination } from '../store/destinations.ts';
import { StoreUnavailable } from '../store/errors.ts';
import type { Claims } from './delivery-claims.ts';
import type { ContentFault, ContentFaults } from './delivery-items.ts';

/** How long outcomes are gathered, so that one statement settles many, ms. */
const GATHER_MS = 15;
/** Outcomes settled by one statement. */
const AT_ONCE = 1_000;
/** How long the store may be away before what was sent is given up, and so sent again; about as long as claims last. */
const PATIENCE_MS = 12_000;
/** When something that does not count as an attempt is tried again, ms. */
const AGAIN_MS = { away: 1_000, disk: 5_000 } as const;

export interface SettlerOptions {
  readonly db: Database;
  readonly destination: Destination;
  readonly claims: Claims;
  readonly faults: ContentFaults;
  readonly circuitLimits?: CircuitLimits | undefined;
  /** An attachment's bytes are lost: has them read again. */
  readonly onLost: (fault: ContentFault, deliveryNo: number) => Promise<void>;
  /** What the destination has shown of itself: `detail` where it failed. */
  readonly onCircuit: (circuit: Circuit, detail: string | undefined) => Promise<void>;
  readonly onSettled: (settled: number) => void;
}

/**
 * Records what became of deliveries, many at a time. A failure counts as an attempt while everything is sent. Once so many
 * have failed that the circuit is open the destination as a whole is away, and nothing counts. What a destination says of
 * its own health proves nothing: the failure of a probe is its own only where another delivery gets through meanwhile. Of
 * a kind without an order that closes the circuit, and all count again; of an ordered one the failure is `ownFault`.
 */
export class Settler {
  readonly #options: SettlerOptions;
  readonly #sent = new Map<number, OwedDelivery>();
  readonly #waiting: (() => void)[] = [];
  #outcomes: Outcome[] = [];
  #settled: Settled[] = [];
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  readonly #toBlame = new Set<number>();
  /** As far as it is known here; while it is closed and nothing fails there is nothing to tell. */
  #circuit: Circuit;

  constructor(options: SettlerOptions, circuit: Circuit) {
    this.#options = options;
    this.#circuit = circuit;
  }

  /** A delivery is being sent now. @throws whatever the settling of others has failed with */
  sending(delivery: OwedDelivery): void {
    if (this.#failure) throw this.#failure.error;
    this.#sent.set(delivery.deliveryNo, delivery);
  }

  /** @throws whatever the settling of earlier outcomes has failed with */
  add(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    this.#run();
  }

  /** Its failure, which is added next, is its own: what came after it was accepted. No other attempt follows. */
  ownFault(deliveryNo: number): void {
    this.#toBlame.add(deliveryNo);
  }

  /** One that cannot be sent as it is. */
  lacks({ deliveryNo }: OwedDelivery, what: 'message' | 'attachment' | 'bytes'): void {
    const error = what === 'message' ? 'the message is not stored any more' : 'the attachment is not there';
    this.#settled.push(
      what === 'bytes'
        ? { deliveryNo, status: 'waits' }
        : { deliveryNo, status: 'refused', cause: ATTACHMENTS_MISSING, error, retryInMs: null },
    );
    this.#run();
  }

  /** Resolves when nothing is being sent. */
  async alone(): Promise<void> {
    if (this.#sent.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when all outcomes are recorded. @throws what that has failed with */
  async finish(): Promise<void> {
    while (this.#running) await this.#running;
    if (this.#failure) throw this.#failure.error;
  }

  #run(): void {
    if (this.#failure) throw this.#failure.error;
    this.#running ??= this.#settleAll()
      .catch((error: unknown) => {
        this.#failure = { error };
        this.#wake();
      })
      .finally(() => {
        this.#running = undefined;
        if (!this.#failure && this.#outcomes.length + this.#settled.length > 0) this.#run();
      });
  }

  async #settleAll(): Promise<void> {
    await delay(GATHER_MS);
    while (this.#outcomes.length + this.#settled.length > 0) {
      const outcomes = this.#outcomes.splice(0, AT_ONCE);
      const settled = this.#settled.splice(0, AT_ONCE);
      settled.push(...(await this.#judge(outcomes)));
      await this.#record(settled);
      for (const { deliveryNo } of outcomes) this.#sent.delete(deliveryNo);
      if (this.#sent.size === 0) this.#wake();
      this.#options.onSettled(settled.length);
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #record(settled: readonly Settled[]): Promise<void> {
    const endsAt = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        await this.#options.claims.settle(settled);
        return;
      } catch (error) {
        if (!(error instanceof StoreUnavailable) || performance.now() > endsAt) throw error;
        await delay(500);
      }
    }
  }

  /** Tells the circuit what has happened, and says what each outcome comes to. */
  async #judge(outcomes: readonly Outcome[]): Promise<Settled[]> {
    const { db, destination, circuitLimits, onCircuit } = this.#options;
    const events = outcomes.flatMap((outcome) => eventOf(outcome) ?? []);
    let circuit = this.#circuit;
    let now = 0;
    const isCalm = circuit.state === 'closed' && circuit.failures === 0 && !events.includes('failed');
    if (!isCalm && events.length > 0) {
      const told = await tellCircuit(db, destination.destinationNo, events, circuitLimits);
      circuit = told.before;
      ({ now } = told);
      this.#circuit = told.after;
    }
    const judged: Settled[] = [];
    for (const outcome of outcomes) {
      const event = eventOf(outcome);
      if (outcome.status === 'accepted') judged.push(accepted(outcome));
      else judged.push(await this.#refused(outcome, event === 'failed' ? { circuit, now } : undefined));
      if (event) circuit = circuitAfter(circuit, event, now, circuitLimits);
    }
    if (events.length > 0) {
      const failed = outcomes.findLast((outcome) => eventOf(outcome) === 'failed');
      await onCircuit(this.#circuit, failed?.status === 'refused' ? failed.error : undefined);
    }
    return judged;
  }

  /** @param failed where it is a failure of the destination: how the circuit was when it came, and the time */
  async #refused(outcome: Refusal, failed: { circuit: Circuit; now: number } | undefined): Promise<Settled> {
    const { deliveryNo, cause, error, httpStatus, retry, retryAfterMs } = outcome;
    if (cause === 'content') return this.#withoutContent(outcome);
    if (cause === 'throttled') return { deliveryNo, status: 'untouched', inMs: retryAfterMs ?? AGAIN_MS.away };
    if (this.#toBlame.delete(deliveryNo)) {
      const words = `${error}; what came after it was accepted`;
      return { deliveryNo, status: 'refused', cause, error: words, httpStatus, retryInMs: null };
    }
    if (failed && failed.circuit.state !== 'closed') {
      return { deliveryNo, status: 'untouched', inMs: this.#untouchedMs(failed) };
    }
    const { attempts, maxWaitSeconds } = this.#options.destination.settings;
    const delivery = this.#sent.get(deliveryNo);
    const isTooOld = delivery && hasWaitedTooLong(Date.parse(delivery.owedAt), Date.now(), maxWaitSeconds);
    const refusal = { deliveryNo, attempts: delivery?.attempts ?? 0, retry: retry && !isTooOld, retryAfterMs };
    return { deliveryNo, status: 'refused', cause, error, httpStatus, retryInMs: retryIn(refusal, attempts) };
  }

  /** Where there is no order another delivery is the next probe, if there is one: this one may be what is wrong. */
  #untouchedMs({ circuit, now }: { readonly circuit: Circuit; readonly now: number }): number {
    const { ordered } = KIND_TRAITS[this.#options.destination.kind];
    if (ordered || circuit.state !== 'half_open' || this.#circuit.state !== 'open') return AGAIN_MS.away;
    return Math.max(this.#circuit.until - now, 0) + AGAIN_MS.away;
  }

  async #withoutContent({ deliveryNo, error }: Refusal): Promise<Settled> {
    const fault = this.#options.faults.take(deliveryNo);
    if (fault?.error instanceof BlobsUnavailable) return { deliveryNo, status: 'untouched', inMs: AGAIN_MS.disk };
    if (fault && isBlobLost(fault.error)) {
      await this.#options.onLost(fault, deliveryNo);
      return { deliveryNo, status: 'waits' };
    }
    const attempts = this.#sent.get(deliveryNo)?.attempts ?? 0;
    const retryInMs = retryIn({ deliveryNo, attempts, retry: true }, this.#options.destination.settings.attempts);
    return { deliveryNo, status: 'refused', cause: 'content', error, retryInMs };
  }
}

const accepted = ({ deliveryNo, note }: Extract<Outcome, { status: 'accepted' }>): Settled => ({
  deliveryNo,
  status: 'accepted',
  answer: note,
});

const FAILED: ReadonlySet<string> = new Set(['connection', 'tls', 'timeout', 'server_error']);

/** What an outcome tells the circuit; what could not be read from the store tells nothing. */
export function eventOf(outcome: Outcome): CircuitEvent | undefined {
  if (outcome.status === 'accepted') return 'answered';
  if (outcome.cause === 'content') return undefined;
  return FAILED.has(outcome.cause) ? 'failed' : 'answered';
}
