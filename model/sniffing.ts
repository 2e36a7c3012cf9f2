import { fileTypeFromBuffer } from 'file-type';

/**
 * The MIME type that the first bytes of a file show, some 4,000 of them; null where they show none, as text never does.
 * Of an archive no more is unpacked than stands in these bytes.
 */
export async function sniffType(head: Uint8Array): Promise<string | null> {
  // What breaks off in the middle, or lies about itself, is of no type that anyone could rely on.
  const found = await fileTypeFromBuffer(head).catch(() => undefined);
  return found?.mime ?? null;
}
