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
}
