import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { SealError, type Sealer } from '../model/sealing.ts';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ID_PATTERN = /^[A-Za-z0-9_-]{1,32}$/;

/** `OUTHAUL_KEYS` cannot be used. The message says why, and shows no key. */
export class KeyRingError extends Error {
  override readonly name = 'KeyRingError';
}

/**
 * Seals under the newest key and opens under any. Sealed bytes are: length of the key's id (1 byte), the id, a random
 * nonce (12), the ciphertext, the tag (16). The context is authenticated and not stored.
 */
export class KeyRing implements Sealer {
  readonly #keys: ReadonlyMap<string, Buffer>;
  /** The key that seals: the first of the ring. */
  readonly currentKeyId: string;

  constructor(keys: ReadonlyMap<string, Buffer>) {
    const [newest] = keys.keys();
    if (newest === undefined) throw new KeyRingError('The key ring is empty');
    this.#keys = keys;
    this.currentKeyId = newest;
  }

  seal(plain: Uint8Array, context: string): Buffer {
    const id = Buffer.from(this.currentKeyId);
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key(this.currentKeyId), nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(context));
    return Buffer.concat([Buffer.of(id.length), id, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  open(sealed: Uint8Array, context: string): Buffer {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    const nonceAt = 1 + (bytes[0] ?? 0);
    const bodyAt = nonceAt + NONCE_BYTES;
    if (bytes.length < bodyAt + TAG_BYTES) throw new SealError('The sealed bytes are cut short');
    const key = this.#key(bytes.toString('latin1', 1, nonceAt));
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(nonceAt, bodyAt), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(bodyAt, -TAG_BYTES)), decipher.final()]);
    } catch (cause) {
      throw new SealError('The sealed bytes, or what they were sealed for, were altered', { cause });
    }
  }

  #key(id: string): Buffer {
    const key = this.#keys.get(id);
    if (!key) {
      const name = ID_PATTERN.test(id) ? `the key "${id}"` : 'a key of no valid name';
      throw new SealError(`Sealed under ${name}, which OUTHAUL_KEYS does not hold`);
    }
    return key;
  }
}

/**
 * Reads `OUTHAUL_KEYS`: `id:base64` of 32 bytes, newest first, separated by commas or new lines.
 * @throws {KeyRingError}
 */
export function parseKeyRing(text: string): KeyRing {
  const keys = new Map<string, Buffer>();
  const entries = text.split(/[,\n]/).map((entry) => entry.trim());
  for (const [index, entry] of entries.filter(Boolean).entries()) {
    const separator = entry.indexOf(':');
    const id = entry.slice(0, Math.max(separator, 0));
    if (!ID_PATTERN.test(id)) {
      throw new KeyRingError(
        `Key ${index + 1} of OUTHAUL_KEYS needs the form id:base64, with an id of letters, digits, "-" or "_"`,
      );
    }
    if (keys.has(id)) throw new KeyRingError(`OUTHAUL_KEYS holds two keys named "${id}"`);
    const key = Buffer.from(entry.slice(separator + 1), 'base64');
    if (key.length !== KEY_BYTES) {
      throw new KeyRingError(
        `Key "${id}" of OUTHAUL_KEYS must be the base64 of ${KEY_BYTES} bytes, but has ${key.length}`,
      );
    }
    keys.set(id, key);
  }
  return new KeyRing(keys);
}

/** A new key, as a line of a key file: `k<date>:<base64>`. */
export function generateKey(now: Date = new Date()): string {
  return `k${now.toISOString().slice(0, 10).replaceAll('-', '')}:${randomBytes(KEY_BYTES).toString('base64')}`;
}
