import { hash, lettersFrom } from './rng.ts';

const STANDARD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const URL_SAFE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const STANDARD_PAIRS = pairsOf(STANDARD);
const URL_SAFE_PAIRS = pairsOf(URL_SAFE);

function pairsOf(alphabet: string): readonly string[] {
  return Array.from({ length: 4096 }, (_, value) => `${alphabet[value >> 6]}${alphabet[value & 63]}`);
}

/** Six characters of the standard alphabet for a whole number below 2^31. */
function six(value: number): string {
  return `${STANDARD_PAIRS[value >>> 24]}${STANDARD_PAIRS[(value >>> 12) & 4095]}${STANDARD_PAIRS[value & 4095]}`;
}

/** Six characters of the URL-safe alphabet for a whole number below 2^31. */
function sixSafe(value: number): string {
  return `${URL_SAFE_PAIRS[value >>> 24]}${URL_SAFE_PAIRS[(value >>> 12) & 4095]}${URL_SAFE_PAIRS[value & 4095]}`;
}

function unsix(text: string, alphabet: string): number {
  let value = 0;
  for (const character of text) {
    const digit = alphabet.indexOf(character);
    if (digit < 0) return -1;
    value = value * 64 + digit;
  }
  return value;
}

/** What a message id says: which message, and for the default form in which folder and after how many moves. */
export interface MessageIdParts {
  ordinal: number;
  place?: { folder: number; moves: number };
}

/**
 * Makes and reads the ids of one mailbox: 152 characters for messages, 120 for folders, all of them case-sensitive
 * (neighbours differ in the case of one letter only).
 *
 * A message has two forms, as in Exchange: the immutable id stays; the default id changes when the message is moved.
 * Immutable ids use the standard Base64 alphabet, so some of them hold `+` or `/` and must be percent-encoded in a path.
 */
export class MailboxIds {
  readonly #immutablePrefix: string;
  readonly #entryPrefix: string;
  readonly #folderPrefix: string;
  readonly #changeKeyPrefix: string;
  readonly #conversationPrefix: string;
  readonly #indexSuffix: string;
  readonly #webPrefix: string;

  constructor(seed: number) {
    const mailbox = lettersFrom(seed, 106);
    this.#immutablePrefix = `AAkALgAAAAAAHYQDEapmEc2byACqAC/EWg0A${mailbox}`;
    this.#entryPrefix = `AAMkA${mailbox.slice(0, 48)}AAAAAABGAAAAAAD${mailbox.slice(48, 106)}BwAA`;
    this.#folderPrefix = `AAMkA${mailbox.slice(0, 48)}AAAAAAAuAAAAAAA${mailbox.slice(48, 86)}`;
    this.#changeKeyPrefix = `CQAAABYAAAC${lettersFrom(hash(seed, 1), 17)}`;
    this.#conversationPrefix = `AAQkA${mailbox.slice(0, 51)}AQ`;
    this.#webPrefix = `AAMkA${mailbox.slice(0, 6)}`;
    this.#indexSuffix = `${lettersFrom(hash(seed, 2), 20)}g==`;
  }

  immutable(ordinal: number): string {
    return `${this.#immutablePrefix}${six(ordinal)}AAA=`;
  }

  entry(ordinal: number, folder: number, moves: number): string {
    return `${this.#entryPrefix}${sixSafe(folder)}${sixSafe(moves)}${sixSafe(ordinal)}AAA=`;
  }

  folder(number: number): string {
    return `${this.#folderPrefix}${sixSafe(number)}AQAAAA==`;
  }

  /** The change key of a message or, without the quotes, its etag: new with every change. */
  changeKey(ordinal: number, version: number): string {
    return `${this.#changeKeyPrefix}${six(ordinal)}${six(version)}`;
  }

  /** What web links call a message, the same whatever form its id has. */
  webItem(ordinal: number): string {
    return `${this.#webPrefix}${sixSafe(ordinal)}AAA%3D`;
  }

  conversation(thread: number): string {
    return `${this.#conversationPrefix}${sixSafe(thread)}AAA=`;
  }

  conversationIndex(thread: number): string {
    return `AQH${six(thread)}${this.#indexSuffix}`;
  }

  /** Reads either form of a message id of this mailbox; undefined for anything else. */
  readMessage(id: string): MessageIdParts | undefined {
    if (id.length !== 152 || !id.endsWith('AAA=')) return undefined;
    if (id.startsWith(this.#immutablePrefix)) {
      const ordinal = unsix(id.slice(142, 148), STANDARD);
      return ordinal < 0 ? undefined : { ordinal };
    }
    if (!id.startsWith(this.#entryPrefix)) return undefined;
    const folder = unsix(id.slice(130, 136), URL_SAFE);
    const moves = unsix(id.slice(136, 142), URL_SAFE);
    const ordinal = unsix(id.slice(142, 148), URL_SAFE);
    return folder < 0 || moves < 0 || ordinal < 0 ? undefined : { ordinal, place: { folder, moves } };
  }
}

/** Whether a text could be an id at all; Graph answers `ErrorInvalidIdMalformed` where it could not. */
export function looksLikeId(text: string): boolean {
  return /^[A-Za-z0-9+/_-]{40,}={0,2}$/.test(text) && text.length % 4 === 0;
}
