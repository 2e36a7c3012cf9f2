import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { DestinationUnavailable, type Item, type Refusal, type Sender } from '../destinations/sender.ts';
import { FAILURES, mayAttempt, type Circuit, type CircuitLimits } from '../model/circuit.ts';
import { KIND_TRAITS } from '../model/destination.ts';
import { attend, noteHealth, type DestinationHealth } from '../store/attendance.ts';
import type { BlobStore } from '../store/blobs/blob-store.ts';
import { isBlobLost } from '../store/blobs/errors.ts';
import type { Database } from '../store/database.ts';
import { dueIn } from '../store/deliveries.ts';
import { circuitOf, tellCircuit } from '../store/destination-claims.ts';
import type { Destination } from '../store/destinations.ts';
import { attachmentLost } from '../store/lost-attachments.ts';
import type { Organization } from '../store/organizations.ts';
import { withLineClaim, withSingleClaims, type Claims } from './delivery-claims.ts';
import { ContentFaults, loadItems, type ContentFault, type Sendable, type ToSend } from './delivery-items.ts';
import { eventOf, Settler } from './delivery-settler.ts';
import { mayFail, tellWhoIsToBlame, type LineProbe } from './line-probe.ts';

/** How long a drain goes on looking after the last delivery, and how often, ms. */
export interface DrainPace {
  readonly lingerMs: number;
  readonly pollMs: number;
}
export const DRAIN_PACE: DrainPace = { lingerMs: 5_000, pollMs: 50 };

/** A promise to look again is renewed when it is so old, ms. */
const RENEW_PROMISE_MS = 1_000;
/** How often a full destination is asked whether it has room again, ms: at first, and at last. */
const FULL_MS = { first: 250, longest: 2_000 } as const;
const FULL_PATIENCE_MS = 10_000;
const AWAY_MS = 1_000;
const LONGEST_REST_MS = 5_000;
/** A delivery whose senders were lost so often is sent while nothing else is: it may be what ends them. */
const LOST_OFTEN = 3;

export interface DrainOptions {
  readonly db: Database;
  readonly organization: Organization;
  readonly destination: Destination;
  readonly sender: Sender;
  readonly blobs: BlobStore;
  /** Of an ordered destination: `claimToken`. */
  readonly token: string;
  /** Aborts when nothing more is to be begun: what is being sent is waited for. */
  readonly stopping: AbortSignal;
  /** Aborts what is being sent. */
  readonly signal: AbortSignal;
  readonly pace?: Partial<DrainPace> | undefined;
  readonly circuitLimits?: CircuitLimits | undefined;
  readonly onSettled: (deliveries: number) => void;
  /** Has a mailbox read whose messages wait for attachments. */
  readonly wakeReader: (organizationId: string, mailboxId: string) => Promise<void>;
  readonly log: { warn(details: object, message: string): void };
}

/** What a drain came to: in how many ms to look again; null: nothing is owed. */
export interface Drained {
  readonly dueInMs: number | null;
}

/**
 * Hands on what a destination is owed, until nothing more comes or it is told to stop.
 * @throws {ClaimLost} somebody else sends there now
 */
export async function drain(options: DrainOptions): Promise<Drained> {
  const { db, destination, token, signal, stopping } = options;
  const { destinationNo, kind } = destination;
  const work = (claims: Claims): Promise<Drained> => new Drain(options, claims).run();
  if (!KIND_TRAITS[kind].ordered) return withSingleClaims({ db, destinationNo }, work);
  return (await withLineClaim({ db, destinationNo, token, signal, stopping }, work)) ?? { dueInMs: 0 };
}

/** Why a session has come to its end. */
type End =
  | { readonly why: 'idle' | 'stopped' | 'open' | 'retry' }
  | { readonly why: 'throttled'; readonly ms: number }
  | { readonly why: 'unavailable'; readonly error: DestinationUnavailable };

/** One `send`, and what feeds it. */
interface Session {
  readonly settler: Settler;
  readonly faults: ContentFaults;
  /** Of a circuit that is not closed: one, to see; or the batch that it is in already. */
  readonly send: 'all' | 'one';
  /** What is sent to see. */
  readonly probed: Sendable[];
  /** Aborts when nothing more is to be handed to the sender. */
  readonly ending: AbortController;
  end: End;
  /** What is being claimed and loaded. */
  loading: Promise<unknown>;
}

class Drain {
  readonly #options: DrainOptions;
  readonly #claims: Claims;
  readonly #pace: DrainPace;
  /** Aborts what is being sent. */
  readonly #signal: AbortSignal;
  /** By this process's monotonic clock. */
  #promisedAt = -Infinity;
  #promisedUntil = -Infinity;
  #fullMs: number = FULL_MS.first;
  /** For so long it waits here for room; then the workflow does, for a drain that waits keeps others from running. */
  #fullPatienceMs: number;
  #noted: string | undefined;

  constructor(options: DrainOptions, claims: Claims) {
    const { destination, pace, signal, circuitLimits } = options;
    // A receiver of batches is asked for one message at a time as soon as it fails: an attempt is lost by that one alone.
    const failures = destination.kind === 'batch' ? { failures: 1 } : {};
    this.#options = { ...options, circuitLimits: { ...failures, ...circuitLimits } };
    this.#claims = claims;
    this.#signal = AbortSignal.any([signal, claims.lost]);
    // Each request listens to it.
    setMaxListeners(0, this.#signal);
    const batchMs = destination.kind === 'batch' ? destination.settings.batchWaitSeconds * 1000 + 1000 : 0;
    const { lingerMs, pollMs } = { ...DRAIN_PACE, ...pace };
    this.#pace = { lingerMs: Math.max(lingerMs, batchMs), pollMs };
    this.#fullPatienceMs = destination.health?.reason === 'full' ? 0 : FULL_PATIENCE_MS;
    this.#noted = destination.health ? noteOf(destination.health) : undefined;
  }

  async run(): Promise<Drained> {
    const { db, destination, stopping } = this.#options;
    const { destinationNo } = destination;
    for (;;) {
      this.#signal.throwIfAborted();
      if (stopping.aborted) return { dueInMs: 0 };
      const { circuit, now } = await circuitOf(db, destinationNo);
      const may = mayAttempt(circuit, now);
      if (may.send === 'nothing') return await this.#rest(may.waitMs);
      const end = await this.#session(may.send, circuit);
      switch (end.why) {
        case 'idle': {
          const dueInMs = await dueIn(db, destinationNo);
          if (dueInMs !== 0) return { dueInMs };
          // Something has come this moment, or a transaction is still open. Of a probe there is none to be had now.
          if (may.send === 'one') return { dueInMs: AWAY_MS };
          break;
        }
        case 'throttled':
          if (end.ms > LONGEST_REST_MS) return await this.#rest(end.ms);
          await this.#pause(end.ms);
          break;
        case 'unavailable':
          await this.#unavailable(end.error);
          if (this.#fullPatienceMs < 0) return await this.#rest(LONGEST_REST_MS);
          break;
        case 'stopped':
        case 'open':
        case 'retry':
      }
    }
  }

  /** Nothing can be sent for so long, whatever comes: whoever owes something need not wake anybody meanwhile. */
  async #rest(ms: number): Promise<Drained> {
    const { db, destination } = this.#options;
    if ((await dueIn(db, destination.destinationNo)) === null) return { dueInMs: null };
    await attend(db, { destinationNo: destination.destinationNo, seconds: ms / 1000 });
    return { dueInMs: Math.ceil(ms) + 1 };
  }

  async #unavailable({ reason, message }: DestinationUnavailable): Promise<void> {
    const { db, destination, circuitLimits } = this.#options;
    await this.#note({ healthy: false, reason, detail: message });
    if (reason === 'full') {
      await this.#pause(this.#fullMs);
      this.#fullPatienceMs -= this.#fullMs;
      this.#fullMs = Math.min(this.#fullMs * 2, FULL_MS.longest);
      return;
    }
    const { after } = await tellCircuit(db, destination.destinationNo, ['failed'], circuitLimits);
    if (after.state === 'closed') await this.#pause(AWAY_MS);
  }

  async #pause(ms: number): Promise<void> {
    const ended = AbortSignal.any([this.#signal, this.#options.stopping]);
    await delay(ms, undefined, { signal: ended }).catch(() => undefined);
  }

  async #note(health: DestinationHealth): Promise<void> {
    const note = noteOf(health);
    if (note === this.#noted) return;
    this.#noted = note;
    await noteHealth(this.#options.db, this.#options.destination.destinationNo, health);
  }

  async #session(send: 'all' | 'one', circuit: Circuit): Promise<End> {
    const { destination, sender, stopping, circuitLimits } = this.#options;
    const { batches } = this.#claims;
    const ending = new AbortController();
    const faults = new ContentFaults();
    const session: Session = {
      ...{ send, ending, faults, probed: [] },
      settler: this.#settler(circuit, faults, (end) => this.#end(session, end)),
      end: { why: 'retry' },
      loading: Promise.resolve(),
    };
    const stop = (): void => this.#end(session, { why: 'stopped' });
    stopping.addEventListener('abort', stop, { once: true });
    let failures = 0;
    const failed: Refusal[] = [];
    const probe = { sender, batches, mayFail: mayFail(destination, circuit), signal: this.#signal };
    try {
      for await (const outcome of sender.send(this.#items(session), this.#signal, batches)) {
        if (outcome.status === 'refused' && outcome.cause === 'throttled') {
          this.#end(session, { why: 'throttled', ms: outcome.retryAfterMs ?? AWAY_MS });
        }
        const event = eventOf(outcome);
        if (event) failures = event === 'failed' ? failures + 1 : 0;
        // The circuit opens as soon as these are recorded: nothing more is sent until then.
        if (failures >= (circuitLimits?.failures ?? FAILURES)) this.#end(session, { why: 'open' });
        const isFailure = outcome.status === 'refused' && event === 'failed';
        if (isFailure && probe.mayFail > 0) failed.push(outcome);
        else session.settler.add(outcome);
      }
      if (failed.length > 0) {
        const { settler, probed } = session;
        const next = async (): ReturnType<LineProbe['next']> => (await this.#loaded(session)).toSend || [];
        await tellWhoIsToBlame(failed, { ...probe, probed, next, settler });
      }
    } catch (error) {
      if (!(error instanceof DestinationUnavailable)) throw error;
      session.end = { why: 'unavailable', error };
    } finally {
      stopping.removeEventListener('abort', stop);
      ending.abort();
      await session.loading.catch(() => undefined);
      await session.settler.finish();
      await this.#claims.handBack();
    }
    return session.end;
  }

  #end(session: Session, end: End): void {
    if (session.ending.signal.aborted) return;
    session.end = end;
    session.ending.abort();
  }

  #settler(circuit: Circuit, faults: ContentFaults, end: (end: End) => void): Settler {
    const { db, destination, circuitLimits } = this.#options;
    const onSettled = (deliveries: number): void => {
      this.#fullMs = FULL_MS.first;
      this.#fullPatienceMs = FULL_PATIENCE_MS;
      this.#options.onSettled(deliveries);
    };
    return new Settler(
      {
        ...{ db, destination, claims: this.#claims, faults, circuitLimits, onSettled },
        onLost: (fault, deliveryNo) => this.#lost(fault, deliveryNo),
        onCircuit: async (now, detail = 'It does not answer') => {
          if (now.state !== 'closed') {
            end({ why: 'open' });
            await this.#note({ healthy: false, reason: 'away', detail });
          } else if (now.failures === 0) {
            await this.#note({ healthy: true, detail: 'It takes what it is sent' });
          }
        },
      },
      circuit,
    );
  }

  /** Has an attachment read again. A reader that cannot be woken now is woken by upkeep. */
  async #lost({ emailNo, attachmentId, error }: ContentFault, deliveryNo: number): Promise<void> {
    const { db, organization, wakeReader, log } = this.#options;
    if (!isBlobLost(error)) return;
    log.warn({ err: error, deliveryNo }, 'An attachment is read again: its bytes were lost');
    const lost = { emailNo, attachmentId, sha256: error.sha256, deliveryNos: [deliveryNo] };
    const answer = await attachmentLost(db, organization, lost);
    if (answer) await wakeReader(organization.organizationId, answer.mailboxId).catch(() => undefined);
  }

  /** What is owed, as it comes; loaded ahead, so that the sender never waits for what is there already. */
  async *#items(session: Session): AsyncGenerator<Item> {
    const { settler, ending, send, probed } = session;
    if (send === 'all') await this.#promise();
    let ahead = this.#load(session);
    while (!ending.signal.aborted) {
      const { toSend, askedAt } = await ahead;
      if (!toSend) {
        if (send === 'one' || askedAt >= this.#promisedUntil) return this.#end(session, { why: 'idle' });
        await delay(this.#pace.pollMs, undefined, { signal: ending.signal }).catch(() => undefined);
        ahead = this.#load(session);
        continue;
      }
      if (send === 'one' && !(await this.#probes())) return this.#end(session, { why: 'open' });
      if (send === 'all') {
        await this.#promise();
        ahead = this.#load(session);
        ahead.catch(() => undefined);
      }
      for await (const group of toSend) {
        for (const one of group) {
          if (ending.signal.aborted) return;
          if ('lacks' in one) {
            settler.lacks(one.delivery, one.lacks);
            continue;
          }
          const isAlone = one.delivery.lost >= LOST_OFTEN;
          if (isAlone) await settler.alone();
          settler.sending(one.delivery);
          if (send === 'one') probed.push(one);
          yield one.item;
          if (isAlone) await settler.alone();
        }
      }
      if (probed.length > 0) return this.#end(session, { why: 'retry' });
      if (send === 'one') ahead = this.#load(session);
    }
  }

  /** Nothing of a session that has ended: what nobody would send must not be taken. */
  #load(session: Session): Promise<Loaded> {
    if (session.ending.signal.aborted) return Promise.resolve({ toSend: false, askedAt: 0 });
    const loaded = this.#loaded(session);
    session.loading = loaded;
    return loaded;
  }

  async #loaded({ faults, send }: Session): Promise<Loaded> {
    const askedAt = performance.now();
    const deliveries = await this.#claims.take(send === 'one' ? 1 : chunkOf(this.#options.destination));
    return { askedAt, toSend: deliveries.length > 0 && (await loadItems(this.#options, deliveries, faults)) };
  }

  /** Promises to look again, where the last promise is not a new one. */
  async #promise(): Promise<void> {
    if (performance.now() - this.#promisedAt < RENEW_PROMISE_MS) return;
    const { db, destination } = this.#options;
    const { lingerMs } = this.#pace;
    await attend(db, { destinationNo: destination.destinationNo, seconds: lingerMs / 1000 });
    this.#promisedAt = performance.now();
    this.#promisedUntil = this.#promisedAt + lingerMs;
  }

  /** Whether the one attempt that an open circuit allows is ours. */
  async #probes(): Promise<boolean> {
    const { db, destination, circuitLimits } = this.#options;
    const { before, after } = await tellCircuit(db, destination.destinationNo, ['probing'], circuitLimits);
    if (after.state === 'closed') return true;
    return after.state === 'half_open' && JSON.stringify(after) !== JSON.stringify(before);
  }
}

interface Loaded {
  readonly toSend: AsyncIterable<readonly ToSend[]> | false;
  readonly askedAt: number;
}

/** How many deliveries are claimed at a time: twice as many are held, beside what is being sent. */
function chunkOf({ kind, settings }: Destination): number {
  switch (kind) {
    case 'utility':
      return Math.min(Math.max(settings.concurrency, 10), 100);
    case 'folder':
      return 50;
    case 'redis_list':
      return 500;
    case 'batch':
      return Math.max(500, settings.batchItems);
  }
}

const noteOf = ({ healthy, reason, detail }: DestinationHealth): string =>
  JSON.stringify([healthy, reason, healthy || detail]);
