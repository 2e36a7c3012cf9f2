import { StoreError, StoreUnavailable } from '../errors.ts';

/** Why the storage of blobs does not do its work. */
export type BlobsTrouble = 'full' | 'denied' | 'read_only' | 'away';

/** The storage of blobs is full, out of reach or not permitted. The same call may succeed later. */
export class BlobsUnavailable extends StoreUnavailable {
  override readonly name = 'BlobsUnavailable';
  readonly trouble: BlobsTrouble;
  constructor(trouble: BlobsTrouble, code: string, cause: unknown) {
    super(`${SAYINGS[trouble]} (${code})`, { cause });
    this.trouble = trouble;
  }
}

const SAYINGS: Readonly<Record<BlobsTrouble, string>> = {
  full: 'the blob store is full: make room on its disk',
  denied: 'the blob store may not be written or read: give this user its folder',
  read_only: 'the blob store is read-only: mount it for writing',
  away: 'the blob store does not answer',
};

/** A blob that should be there is not. */
export class BlobMissing extends StoreError {
  override readonly name = 'BlobMissing';
  readonly sha256: string;
  constructor(sha256: string) {
    super(`blob ${sha256} is missing from the blob store`);
    this.sha256 = sha256;
  }
}

/** What lies in a blob's place is not the blob: its bytes were altered, or cut. */
export class BlobAltered extends StoreError {
  override readonly name = 'BlobAltered';
  readonly sha256: string;
  constructor(sha256: string, found: string) {
    super(`blob ${sha256} was altered in the blob store: ${found}`);
    this.sha256 = sha256;
  }
}

/** The bytes that should be there are lost: missing, or not what they were. */
export const isBlobLost = (error: unknown): error is BlobMissing | BlobAltered =>
  error instanceof BlobMissing || error instanceof BlobAltered;

/** The bytes that came are not those that were expected; nothing was stored. */
export class BlobMismatch extends StoreError {
  override readonly name = 'BlobMismatch';
}

const TROUBLES: Readonly<Record<string, BlobsTrouble>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EFBIG: 'full',
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'read_only',
};

/** What an error of the file system means; any other comes back as it is. */
export function toBlobsUnavailable(error: unknown): unknown {
  const code = codeOf(error);
  if (error instanceof StoreError || code === undefined || code.startsWith('ERR_')) return error;
  return new BlobsUnavailable(TROUBLES[code] ?? 'away', code, error);
}

/** `ENOENT` and its like. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
