import { createHash, randomUUID } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { HEAD_BYTES, type BlobRef } from './blob-store.ts';
import { BlobMismatch, toBlobsUnavailable } from './errors.ts';
import { removeFile, within } from './files.ts';

const PRIVATE_FILE = 0o600;

/** A blob while it is written: a file whose name says nothing yet. */
export class Draft {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #hash = createHash('sha256');
  readonly #expected: Partial<BlobRef>;
  readonly #head: Buffer[] = [];
  #size = 0;

  private constructor(path: string, handle: FileHandle, expected: Partial<BlobRef>) {
    this.path = path;
    this.#handle = handle;
    this.#expected = expected;
  }

  static async begin(folder: string, expected: Partial<BlobRef>): Promise<Draft> {
    const path = join(folder, randomUUID());
    return new Draft(path, await within(folder, () => open(path, 'wx', PRIVATE_FILE)), expected);
  }

  /** Where the bytes go. It takes the next piece when the one before is written. */
  sink(): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#write(chunk).then(() => done(), done);
      },
    });
  }

  /**
   * What has been written, on the disk for good.
   * @throws {BlobMismatch}
   */
  async finish(): Promise<BlobRef> {
    const blob = { sha256: this.#hash.digest('hex'), size: this.#size };
    const { size = blob.size, sha256 = blob.sha256 } = this.#expected;
    if (size !== blob.size) throw new BlobMismatch(`${blob.size} bytes came where ${size} were expected`);
    if (sha256 !== blob.sha256) throw new BlobMismatch(`the bytes have the hash ${blob.sha256} and not ${sha256}`);
    await this.#handle.sync();
    await this.#handle.close();
    return blob;
  }

  get head(): Uint8Array {
    return Buffer.concat(this.#head).subarray(0, HEAD_BYTES);
  }

  /** Leaves nothing behind. Where that fails too, what is left is found by its age. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await removeFile(this.path).catch(() => undefined);
  }

  async #write(chunk: Buffer): Promise<void> {
    if (this.#size < HEAD_BYTES) this.#head.push(Buffer.from(chunk.subarray(0, HEAD_BYTES)));
    this.#size += chunk.length;
    const { size = Infinity } = this.#expected;
    if (this.#size > size) throw new BlobMismatch(`more bytes came than the ${size} that were expected`);
    this.#hash.update(chunk);
    try {
      for (let written = 0; written < chunk.length;) {
        written += (await this.#handle.write(chunk, written)).bytesWritten;
      }
    } catch (error) {
      throw toBlobsUnavailable(error);
    }
  }
}
