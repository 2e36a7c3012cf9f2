import type { Readable } from 'node:stream';
import type { Organization } from '../organizations.ts';

/** A blob as whoever refers to it knows it: by what it holds. */
export interface BlobRef {
  /** 64 hexadecimal digits in lower case. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

export interface PutOptions {
  /** What is known of the bytes before they come: they are refused where they turn out otherwise. */
  readonly expected?: Partial<BlobRef>;
  /** Called when all bytes have come, and before the blob stands under its name. Where it fails, the blob is not stored. */
  readonly announce?: (blob: BlobRef) => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface PutResult extends BlobRef {
  /** The first bytes, `HEAD_BYTES` at most: enough to see of what type they are. */
  readonly head: Uint8Array;
}

export interface OpenOptions {
  /** First and last byte, both included, as HTTP counts them. Default: all of it. */
  readonly range?: { readonly start: number; readonly end: number };
  readonly signal?: AbortSignal;
}

/** A blob that was taken from its place and is not deleted yet. */
export interface AsideBlob {
  readonly sha256: string;
  /** Names it among others of the same content; used once. */
  readonly name: string;
}

export const HEAD_BYTES = 4_100;

/**
 * The blobs of one organization, each stored once under the SHA-256 of its bytes. Bytes pass through in pieces; no blob
 * stands in memory. Which blobs there should be is not known here: rows say it (`store/blob-rows.ts`).
 *
 * Every method rejects with `BlobsUnavailable` while the storage is full, out of reach or not permitted.
 */
export interface BlobStore {
  /**
   * Stores what a stream of any length holds. When this resolves the blob is there for good, also after a loss of power;
   * when it rejects, nothing of it is left. Bytes that are there already are put in their place once more, which mends
   * what was altered. The stream is destroyed in any case.
   * @throws {BlobMismatch} where the bytes are not those that were expected
   * @throws the stream's own error, or the signal's reason
   */
  put(source: Readable, options?: PutOptions): Promise<PutResult>;

  /**
   * The bytes of a blob. A whole read is verified by hash: the last piece comes only after all bytes have turned out
   * right, and in place of it and the end `BlobAltered`, so that nobody who waits for the end can take altered bytes for
   * the blob. Of a range only the blob's size is verified.
   * @throws {BlobMissing}
   * @throws {BlobAltered} where it has another size
   * @throws {RangeError} for a range that does not lie within it
   */
  open(blob: BlobRef, options?: OpenOptions): Promise<Readable>;

  /**
   * All bytes of a blob that is small enough to stand in memory, verified by hash: at a tenth of what a stream costs.
   * @throws {BlobMissing}
   * @throws {BlobAltered}
   */
  read(blob: BlobRef, signal?: AbortSignal): Promise<Buffer>;

  /** Whether the blob is there, as far as its name and size say. */
  has(blob: BlobRef): Promise<boolean>;

  /**
   * Takes a blob from its place, so that it is missing from now on, without deleting it. Of several who try at once one
   * succeeds.
   * @returns undefined where it was not there
   */
  setAside(sha256: string): Promise<AsideBlob | undefined>;

  /** Puts a blob back that was set aside, unless it is there again. One that is aside no more does no harm. */
  restore(aside: AsideBlob): Promise<void>;

  /** Deletes a blob that was set aside. One that is aside no more does no harm. */
  discard(aside: AsideBlob): Promise<void>;

  /** What was set aside, by whomever, and neither restored nor discarded. */
  asides(): AsyncIterable<AsideBlob>;

  /**
   * Deletes what writers have left behind that were killed before their blob was whole, and that have not written for so
   * long. Returns how many these were.
   */
  removeAbandoned(olderThanMs: number): Promise<number>;
}

/** Where every organization's blobs are. */
export interface BlobStores {
  of(organization: Organization): BlobStore;
}
