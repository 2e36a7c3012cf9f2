/**
 * Seals secrets at rest (AES-256-GCM under the key ring). `context` is bound to the sealed bytes: what was sealed for
 * one row cannot be opened as another's.
 */
export interface Sealer {
  seal(plain: Uint8Array, context: string): Buffer;
  /** @throws {SealError} when no key of the ring opens it, or it was sealed for another context. */
  open(sealed: Uint8Array, context: string): Buffer;
}

/** Sealed bytes that cannot be opened: a key is missing from the ring, or the bytes or their context were altered. */
export class SealError extends Error {
  override readonly name = 'SealError';
  /** The key that the ring lacks, where that is the cause and the name is a valid one. */
  readonly missingKeyId: string | undefined;

  constructor(message: string, options: ErrorOptions & { missingKeyId?: string | undefined } = {}) {
    super(message, options);
    this.missingKeyId = options.missingKeyId;
  }
}

/** What a key may be called. */
export const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;

/** The id of the key that something was sealed under: its length (1 byte) and the id come first. May be no valid id. */
export const sealedUnder = (sealed: Uint8Array): string =>
  Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength).toString('latin1', 1, 1 + (sealed[0] ?? 0));
