import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { KEY_ID, SealError, sealedUnder, type Sealer } from '../model/sealing.ts';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A key ring cannot be used or changed. The message says why, and shows no key. */
export class KeyRingError extends Error {
  override readonly name = 'KeyRingError';
}

const PUT_BACK = 'Put it back behind the newest key, in OUTHAUL_KEYS or in the key file, of every process';

/**
 * Seals under the newest key and opens under any. Sealed bytes are: length of the key's id (1 byte), the id, a random
 * nonce (12), the ciphertext, the tag (16). The context is authenticated and not stored.
 */
export class KeyRing implements Sealer {
  readonly #keys: ReadonlyMap<string, Buffer>;
  /** The key that seals: the first of the ring. */
  readonly currentKeyId: string;
  /** All keys, newest first. */
  readonly keyIds: readonly string[];

  constructor(keys: ReadonlyMap<string, Buffer>) {
    const [newest] = keys.keys();
    if (newest === undefined) throw new KeyRingError('The key ring is empty');
    this.#keys = keys;
    this.currentKeyId = newest;
    this.keyIds = [...keys.keys()];
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
    const key = this.#key(sealedUnder(bytes));
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
      if (!KEY_ID.test(id)) throw new SealError('Sealed under a key of no valid name: the sealed bytes were altered');
      throw new SealError(`Sealed under the key "${id}", which the key ring does not hold. ${PUT_BACK}`, {
        missingKeyId: id,
      });
    }
    return key;
  }
}

/** The keys of a ring as they are written: `id:base64`, separated by commas or new lines. */
export const keyEntries = (text: string): string[] =>
  text
    .split(/[,\n]/)
    .map((entry) => entry.trim())
    .filter(Boolean);

/**
 * Reads a key ring: `id:base64` of 32 bytes, newest first, separated by commas or new lines.
 * @param source what the text is, for errors
 * @throws {KeyRingError}
 */
export function parseKeyRing(text: string, source = 'OUTHAUL_KEYS'): KeyRing {
  const keys = new Map<string, Buffer>();
  for (const [index, entry] of keyEntries(text).entries()) {
    const separator = entry.indexOf(':');
    const id = entry.slice(0, Math.max(separator, 0));
    if (!KEY_ID.test(id)) {
      throw new KeyRingError(
        `Key ${index + 1} of ${source} needs the form id:base64, with an id of letters, digits, "-" or "_"`,
      );
    }
    if (keys.has(id)) throw new KeyRingError(`${source} holds two keys named "${id}"`);
    const key = Buffer.from(entry.slice(separator + 1), 'base64');
    if (key.length !== KEY_BYTES) {
      throw new KeyRingError(
        `Key "${id}" of ${source} must be the base64 of ${KEY_BYTES} bytes, but has ${key.length}`,
      );
    }
    keys.set(id, key);
  }
  if (keys.size === 0) throw new KeyRingError(`${source} is empty: a key ring needs a key`);
  return new KeyRing(keys);
}

/** A new key, as a line of a key file: `k<date>-<4 random digits>:<base64>`. No two keys have the same id. */
export function generateKey(now: Date = new Date()): string {
  const id = `k${now.toISOString().slice(0, 10).replaceAll('-', '')}-${randomBytes(2).toString('hex')}`;
  return `${id}:${randomBytes(KEY_BYTES).toString('base64')}`;
}
