import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recordOfMime } from './mime.ts';
import type { MessageRecord } from './record.ts';

/** A message read from a folder of mail. */
export interface MailFile {
  /** The path of its file below the folder; in an archive followed by `#` and its place. */
  name: string;
  record: MessageRecord;
}

const ARCHIVE = /\.(mbox|mbx)$/i;
const SINGLE = /\.eml$/i;

/**
 * Reads every `.eml` file and mbox archive below a folder, in the order of their paths. No content is refused: whatever
 * lies there becomes a message. Everything stays in memory.
 *
 * @throws Error naming the folder, where it cannot be read or holds no mail.
 */
export async function readMailFolder(folder: string): Promise<MailFile[]> {
  let paths: string[];
  try {
    paths = await readdir(folder, { recursive: true });
  } catch (cause) {
    throw new Error(`The mail folder ${folder} cannot be read`, { cause });
  }
  const files: MailFile[] = [];
  for (const path of paths.filter((name) => SINGLE.test(name) || ARCHIVE.test(name)).sort()) {
    const content = await readFile(join(folder, path));
    const parts = ARCHIVE.test(path) ? splitMbox(content) : [content];
    for (const [index, part] of parts.entries()) {
      const name = ARCHIVE.test(path) ? `${path}#${index}` : path;
      files.push({ name, record: await recordOfMime(part, name) });
    }
  }
  if (files.length === 0) throw new Error(`The mail folder ${folder} holds no .eml file and no .mbox archive`);
  return files;
}

const FROM_LINE = Buffer.from('From ');
const NEWLINE = 0x0a;

/** Splits an mbox archive at its `From ` lines and takes back the quoting of `>From ` lines. */
export function splitMbox(archive: Uint8Array): Buffer[] {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const starts: number[] = [];
  for (let line = 0; line < bytes.length; line = afterLine(bytes, line)) {
    if (bytes.compare(FROM_LINE, 0, FROM_LINE.length, line, Math.min(line + FROM_LINE.length, bytes.length)) === 0) {
      starts.push(line);
    }
  }
  return starts.map((start, index) =>
    unquote(bytes.subarray(afterLine(bytes, start), starts[index + 1] ?? bytes.length)),
  );
}

function afterLine(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(NEWLINE, from);
  return end < 0 ? bytes.length : end + 1;
}

function unquote(message: Buffer): Buffer {
  const text = message.toString('latin1').replace(/^>(>*From )/gm, '$1');
  // The empty line before the next `From ` line belongs to the archive.
  return Buffer.from(text.replace(/(\r?\n)\r?\n$/, '$1'), 'latin1');
}
