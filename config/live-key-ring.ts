import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import type { Sealer } from '../model/sealing.ts';
import { ConfigError, type Config } from './config.ts';
import { KeyRingError, generateKey, keyEntries, parseKeyRing, type KeyRing } from './key-ring.ts';

/** Where a key ring comes from. The keys of the environment come first, then those of the file. */
export interface KeySources {
  /** As `OUTHAUL_KEYS` has it. */
  readonly keys?: string | undefined;
  /** As `OUTHAUL_KEYS_FILE` names it: a file of one key a line, newest first. */
  readonly file?: string | undefined;
}

/**
 * A key ring that follows its file while the process runs: whenever something is sealed or opened, the file is looked
 * at, and read again where it has changed. So a key that was put in front of the file seals from then on in every
 * process that shares the file, and none needs a restart. A file that is gone or cannot be used changes nothing, and is
 * told once.
 */
export class LiveKeyRing implements Sealer {
  readonly #sources: KeySources;
  readonly #onFault: (fault: Error) => void;
  #ring: KeyRing;
  #seen: string | undefined;

  /**
   * @param onFault is told of a file that has become unusable
   * @throws {KeyRingError} where there is no key, or one that cannot be used
   */
  constructor(sources: KeySources, onFault: (fault: Error) => void) {
    this.#sources = sources;
    this.#onFault = onFault;
    const { file } = sources;
    try {
      this.#seen = file && versionOf(file);
      this.#ring = readRing(sources);
    } catch (cause) {
      if (cause instanceof KeyRingError) throw cause;
      throw new KeyRingError(`The key file ${file} cannot be read: ${reasonOf(cause)}`, { cause });
    }
  }

  /** The ring as it stands now. */
  get ring(): KeyRing {
    const { file } = this.#sources;
    if (file === undefined) return this.#ring;
    try {
      const version = versionOf(file);
      if (version === this.#seen) return this.#ring;
      this.#seen = version;
      this.#ring = readRing(this.#sources);
    } catch (cause) {
      const isNews = cause instanceof KeyRingError || this.#seen !== undefined;
      if (!(cause instanceof KeyRingError)) this.#seen = undefined;
      if (isNews) this.#onFault(asFault(file, cause));
    }
    return this.#ring;
  }

  /** Whether the file decides which key seals, so that a key can be added here. */
  get isFile(): boolean {
    return this.#sources.file !== undefined && this.#sources.keys === undefined;
  }

  seal(plain: Uint8Array, context: string): Buffer {
    return this.ring.seal(plain, context);
  }

  open(sealed: Uint8Array, context: string): Buffer {
    return this.ring.open(sealed, context);
  }

  /**
   * Makes a key and puts it in front of the file, which is replaced as a whole: from now on it seals. The caller sees to
   * it that nobody else changes the file meanwhile. Returns the key's id.
   * @throws {KeyRingError} where the environment decides which key seals, or the file cannot be written
   */
  addKey(): string {
    const { file } = this.#sources;
    if (file === undefined || !this.isFile) {
      throw new KeyRingError(
        'The newest key stands in OUTHAUL_KEYS, which only you can change: put a new key there, in every process',
      );
    }
    const key = generateKey();
    try {
      const path = realpathSync(file);
      const text = readFileSync(path, 'utf8');
      parseKeyRing(text, `the key file ${file}`);
      replaceFile(path, `${key}\n${text}`);
    } catch (cause) {
      if (cause instanceof KeyRingError) throw cause;
      throw new KeyRingError(
        `The key file ${file} cannot be written (${reasonOf(cause)}): put a new key in front of it yourself`,
        { cause },
      );
    }
    return this.ring.currentKeyId;
  }
}

/** What is missing where neither source is set. */
export const NO_KEYS =
  'No key, no start: set OUTHAUL_KEYS, or OUTHAUL_KEYS_FILE, to the key ring that seals secrets (`id:base64` of 32 bytes)';

/**
 * The key ring that a process is configured with; a key file that cannot be used any more is logged.
 * @throws {ConfigError} where none is configured
 * @throws {KeyRingError}
 */
export function openConfiguredKeyRing(
  { keys, keysFile }: Pick<Config, 'keys' | 'keysFile'>,
  log: Pick<Logger, 'error'>,
): LiveKeyRing {
  if (keys === undefined && keysFile === undefined) throw new ConfigError([NO_KEYS]);
  const tell = (err: Error): void =>
    log.error({ err }, 'The key file cannot be used; the keys read before stay in use');
  return new LiveKeyRing({ keys, file: keysFile }, tell);
}

/** A file that was replaced or written has another. */
function versionOf(file: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join('/');
}

function readRing({ keys, file }: KeySources): KeyRing {
  const first = keyEntries(keys ?? '');
  if (keys !== undefined) parseKeyRing(keys);
  if (file === undefined) return parseKeyRing(keys ?? '');
  const kept = readFileSync(file, 'utf8');
  const source = `the key file ${file}`;
  parseKeyRing(kept, source);
  const named = new Set(first.map(idOf));
  const rest = keyEntries(kept).filter((entry) => !named.has(idOf(entry)));
  return parseKeyRing([...first, ...rest].join('\n'), source);
}

const idOf = (entry: string): string | undefined => entry.split(':')[0];

/** Replaces a file as a whole, on the disk when this returns; mode and owner stay. */
function replaceFile(path: string, text: string): void {
  const { mode, uid, gid } = statSync(path);
  const whole = `${path}.${process.pid}`;
  rmSync(whole, { force: true });
  const made = openSync(whole, 'wx', 0o600);
  try {
    const own = statSync(whole);
    if (own.uid !== uid || own.gid !== gid) fchownSync(made, uid, gid);
    fchmodSync(made, mode & 0o777);
    writeFileSync(made, text);
    fsyncSync(made);
    renameSync(whole, path);
  } finally {
    closeSync(made);
    rmSync(whole, { force: true });
  }
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

const reasonOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason';

const asFault = (file: string, cause: unknown): Error =>
  cause instanceof KeyRingError
    ? cause
    : new KeyRingError(`The key file ${file} cannot be read any more: ${reasonOf(cause)}`, { cause });
