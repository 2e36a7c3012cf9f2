import type { BatchLog, Cut } from '../destinations/sender.ts';
import { batchesLeft, recordBatches, type BatchLeft } from '../store/batches.ts';
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
  /** Those of which it is known here that no receiver can have taken them. */
  readonly #sure = new Set<string>();
  /** To be forgotten. */
  #over: string[] = [];

  constructor(options: BatchCutsOptions) {
    this.#options = options;
  }

  /** @throws {ClaimLost} */
  async cut(cuts: readonly Cut[], of?: string): Promise<void> {
    const { xidOf } = this.#options;
    const batches = cuts.map(({ id, deliveryNos }) => ({
      id,
      members: deliveryNos.flatMap((deliveryNo) => {
        const xid = xidOf(deliveryNo);
        return xid === undefined ? [] : { deliveryNo, xid };
      }),
    }));
    if (of !== undefined) this.#over.push(of);
    await this.#record(batches);
    for (const { id, members } of batches) {
      const deliveryNos = members.map(({ deliveryNo }) => deliveryNo);
      this.#hold(id, deliveryNos);
      this.#sure.add(id);
    }
  }

  unanswered(id: string): void {
    this.#sure.delete(id);
  }

  /** Whether a receiver may have taken it: a sending of it has had no answer, as far as anyone knows. */
  isUnsure(id: string): boolean {
    return !this.#sure.has(id);
  }

  /** What is still owed of batches that are recorded, in the order of the line. @throws {ClaimLost} */
  async left(): Promise<{ readonly due: boolean; readonly batches: readonly BatchLeft[] }> {
    const { due, batches } = await batchesLeft(this.#options.db, this.#options);
    for (const { id, deliveries } of batches) {
      if (deliveries.length === 0) this.#over.push(id);
      const deliveryNos = deliveries.map(({ deliveryNo }) => deliveryNo);
      this.#hold(id, deliveryNos);
    }
    return { due, batches: batches.filter(({ deliveries }) => deliveries.length > 0) };
  }

  /** These outcomes are recorded. */
  settled(outcomes: readonly Settled[]): void {
    for (const outcome of outcomes) {
      const batch = this.#open.get(outcome.deliveryNo);
      if (!batch || !isFinal(outcome)) continue;
      this.#open.delete(outcome.deliveryNo);
      if (--batch.count > 0) continue;
      this.#over.push(batch.id);
      this.#sure.delete(batch.id);
    }
  }

  /** Forgets what is over, as far as that was not done along with other batches. @throws {ClaimLost} */
  async end(): Promise<void> {
    if (this.#over.length > 0) await this.#record([]);
  }

  #hold(id: string, deliveryNos: readonly number[]): void {
    const batch = { id, count: deliveryNos.length };
    for (const deliveryNo of deliveryNos) this.#open.set(deliveryNo, batch);
  }

  async #record(batches: Parameters<typeof recordBatches>[2]['batches']): Promise<void> {
    const forget = this.#over;
    this.#over = [];
    await recordBatches(this.#options.db, this.#options, { batches, forget });
  }
}

const isFinal = (outcome: Settled): boolean =>
  outcome.status === 'accepted' || (outcome.status === 'refused' && outcome.retryInMs === null);
