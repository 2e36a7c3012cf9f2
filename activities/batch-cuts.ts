import type { BatchLog, Cut } from '../destinations/sender.ts';
import {
  markBatches,
  recordBatches,
  unfinishedBatches,
  type BatchRecord,
  type UnfinishedBatch,
} from '../store/batches.ts';
import type { Database } from '../store/database.ts';
import type { Settled } from '../store/deliveries.ts';

export interface BatchCutsOptions {
  readonly db: Database;
  readonly destinationNo: number;
  /** The one that the destination is claimed under. */
  readonly token: string;
  /** Of a delivery that is taken: by which transaction it is owed. */
  readonly xidOf: (deliveryNo: number) => string | undefined;
}

/**
 * How the batches of one drain are cut. It is recorded before they are sent, and forgotten once all in them is settled; so
 * what is lost in between is sent again in the same batches, by this drain or its successor.
 */
export class BatchCuts implements BatchLog {
  readonly #options: BatchCutsOptions;
  /** By delivery that is not settled: the batch that it is in, and how many of that are not. */
  readonly #open = new Map<number, { readonly id: string; count: number }>();
  /** Those that no receiver can have taken: not sent as far as anyone knows, or refused each time. */
  readonly #notTaken = new Set<string>();
  #toForget: string[] = [];
  /** What is being recorded, also where nobody waits for it any more. */
  #recording: Promise<unknown> = Promise.resolve();

  constructor(options: BatchCutsOptions) {
    this.#options = options;
  }

  /** @throws {ClaimLost} */
  async cut(cuts: readonly Cut[], inPlaceOf?: string): Promise<void> {
    const { xidOf } = this.#options;
    const batches = cuts.map(({ id, deliveryNos }) => ({
      id,
      members: deliveryNos.map((deliveryNo) => {
        const xid = xidOf(deliveryNo);
        if (xid === undefined) throw new Error(`Delivery ${deliveryNo} is not taken`);
        return { deliveryNo, xid };
      }),
    }));
    if (inPlaceOf !== undefined) this.#forget(inPlaceOf);
    await this.#record(batches);
    for (const { id, deliveryNos } of cuts) {
      this.#hold(id, deliveryNos);
      this.#notTaken.add(id);
    }
  }

  sending(id: string): void {
    this.#notTaken.delete(id);
  }

  refused(id: string): void {
    this.#notTaken.add(id);
  }

  /**
   * What is still owed of batches that are recorded, in the order of the line. Once they may be sent they count as taken,
   * whatever becomes of this process.
   * @throws {ClaimLost}
   */
  async unfinished(): Promise<{ readonly due: boolean; readonly batches: readonly UnfinishedBatch[] }> {
    await this.#recording;
    const { db } = this.#options;
    const { due, batches: recorded } = await unfinishedBatches(db, this.#options);
    const batches = recorded.filter(({ deliveries }) => deliveries.length > 0);
    if (!due && batches.length > 0) return { due, batches };
    for (const { id, deliveries } of recorded) if (deliveries.length === 0) this.#toForget.push(id);
    const unsent = batches.filter(({ notTaken }) => notTaken).map(({ id }) => id);
    if (unsent.length > 0) await markBatches(db, this.#options, { ids: unsent, notTaken: false });
    for (const id of unsent) this.#notTaken.add(id);
    for (const { id, deliveries } of batches) {
      const deliveryNos = deliveries.map(({ deliveryNo }) => deliveryNo);
      this.#hold(id, deliveryNos);
    }
    return { due, batches };
  }

  mayBeTaken(id: string): boolean {
    return !this.#notTaken.has(id);
  }

  /** These outcomes are recorded. */
  settled(outcomes: readonly Settled[]): void {
    for (const outcome of outcomes) {
      const batch = this.#open.get(outcome.deliveryNo);
      if (!batch || !isFinal(outcome)) continue;
      this.#open.delete(outcome.deliveryNo);
      if (--batch.count === 0) this.#forget(batch.id);
    }
  }

  /** Forgets what is over, as far as that was not done along with other batches, and keeps what is known. @throws {ClaimLost} */
  async end(): Promise<void> {
    await this.#recording;
    if (this.#toForget.length > 0) await this.#record([]);
    const ids = [...this.#notTaken];
    if (ids.length > 0) await markBatches(this.#options.db, this.#options, { ids, notTaken: true });
  }

  #hold(id: string, deliveryNos: readonly number[]): void {
    const batch = { id, count: deliveryNos.length };
    for (const deliveryNo of deliveryNos) this.#open.set(deliveryNo, batch);
  }

  #forget(id: string): void {
    this.#toForget.push(id);
    this.#notTaken.delete(id);
  }

  #record(batches: readonly BatchRecord[]): Promise<void> {
    const forget = this.#toForget;
    this.#toForget = [];
    const recorded = recordBatches(this.#options.db, this.#options, { batches, forget });
    this.#recording = Promise.allSettled([this.#recording, recorded]);
    return recorded;
  }
}

const isFinal = (outcome: Settled): boolean =>
  outcome.status === 'accepted' || (outcome.status === 'refused' && outcome.retryInMs === null);
