import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { SealError, type Sealer } from '../model/sealing.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** First of the sealed bytes; another layout would have another number. */
const VERSION = 1;
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;
const FORM = 'OUTHAUL_KEYS is a comma-separated list of id:key, newest first, each key 32 bytes in base64';

/** The key ring cannot be read; the message says what is wrong and shows no key. */
export class KeyRingError extends Error {
  override readonly name = 'KeyRingError';
}

interface Key {
  readonly id: string;
  readonly bytes: Buffer;
}

/**
 * Seals with the newest key and opens with whichever key a sealed text names, so that keys rotate: a new one is put in
 * front, and the old one goes when nothing is sealed under it any more.
 *
 * Sealed bytes are: version (1), length of the key's id (1), the id, nonce (12), AES-256-GCM ciphertext, tag (16). The
 * tag covers the key's id and the context as well.
 */
export class KeyRing implements Sealer {
  readonly #keys: readonly Key[];
  readonly #newest: Key;

  /** @param keys newest first */
  constructor(keys: readonly Key[]) {
    const [newest] = keys;
    if (!newest) throw new KeyRingError(`There is no key: ${FORM}`);
    this.#keys = keys;
    this.#newest = newest;
  }

  /** The key that seals. */
  get currentKeyId(): string {
    return this.#newest.id;
  }

  seal(plain: Uint8Array, context: string): Buffer {
    const { id, bytes } = this.#newest;
    const nonce = randomBytes(NONCE_BYTES);
    const header = Buffer.concat([Buffer.from([VERSION, id.length]), Buffer.from(id)]);
    const cipher = createCipheriv('aes-256-gcm', bytes, nonce).setAAD(boundBytes(header, context));
    return Buffer.concat([header, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  open(sealed: Uint8Array, context: string): Buffer {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    const nonceAt = 2 + (bytes[1] ?? 0);
    const textAt = nonceAt + NONCE_BYTES;
    if (bytes[0] !== VERSION || bytes.length < textAt + TAG_BYTES) {
      throw new SealError('The sealed bytes are not in a form that this version knows');
    }
    const id = bytes.toString('latin1', 2, nonceAt);
    const key = this.#keys.find((candidate) => candidate.id === id);
    if (!key) throw new SealError('The key that it was sealed under is not in OUTHAUL_KEYS');
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, bytes.subarray(nonceAt, textAt))
      .setAAD(boundBytes(bytes.subarray(0, nonceAt), context))
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(textAt, -TAG_BYTES)), decipher.final()]);
    } catch (error) {
      throw new SealError('The sealed bytes, their context or the key of that id are not what they were', {
        cause: error,
      });
    }
  }
}

const boundBytes = (header: Uint8Array, context: string): Buffer => Buffer.concat([header, Buffer.from(context)]);

/**
 * Reads `id:base64(32 bytes)[,id2:…]`, newest first; line breaks and spaces around entries do not matter.
 * @throws {KeyRingError} which names the entry by its place, never by its content
 */
export function parseKeyRing(text: string): KeyRing {
  const entries = text.split(/[,\n]/).map((entry) => entry.trim());
  const keys = entries.filter((entry) => entry !== '').map((entry, index) => parseKey(entry, index + 1));
  const twice = keys.find(({ id }, index) => keys.findIndex((key) => key.id === id) !== index);
  if (twice) throw new KeyRingError(`Two keys have the id "${twice.id}"; each needs its own`);
  return new KeyRing(keys);
}

function parseKey(entry: string, place: number): Key {
  const colon = entry.indexOf(':');
  if (colon < 0) throw new KeyRingError(`Key ${place} has no id: ${FORM}`);
  const id = entry.slice(0, colon);
  if (!KEY_ID.test(id)) {
    throw new KeyRingError(`The id of key ${place} must be 1 to 32 letters, digits, "_" or "-"`);
  }
  const encoded = entry.slice(colon + 1);
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(encoded))
    throw new KeyRingError(`Key ${place} ("${id}") is not base64: ${FORM}`);
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length !== KEY_BYTES) {
    throw new KeyRingError(`Key ${place} ("${id}") has ${bytes.length} bytes, not ${KEY_BYTES}: ${FORM}`);
  }
  return { id, bytes };
}

/** A fresh key as `OUTHAUL_KEYS` takes it, with an id that tells when it was made. */
export function generateKey(now = new Date()): string {
  const id = `k${now.toISOString().slice(0, 10).replaceAll('-', '')}-${randomBytes(3).toString('hex')}`;
  return `${id}:${randomBytes(KEY_BYTES).toString('base64')}`;
}
