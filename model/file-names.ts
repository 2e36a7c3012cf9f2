/** What no system, or not every system, takes in a name; and what makes a name look like another. */
const UNSAFE =
  // eslint-disable-next-line no-control-regex -- control characters are what it looks for
  /[\u0000-\u001f\u007f-\u009f<>:"/\\|?*\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff]|\p{Surrogate}/gu;
/** Names that Windows keeps for devices, whatever extension follows. */
const RESERVED = /^(con|prn|aux|nul|conin\$|conout\$|com[\d\u00b9\u00b2\u00b3]|lpt[\d\u00b9\u00b2\u00b3])(?= *(\.|$))/i;
/** In UTF-8. Systems take 255 bytes or 255 UTF-16 units, some encrypted ones 143. */
const NAME_BYTES = 120;
const EXTENSION = /\.[\p{L}\p{N}_-]{1,16}$/u;

/**
 * A name as a file or folder can have it on Linux, macOS and Windows, and that stays in the folder where it is put: no
 * separators, control or direction characters, reserved names, dots or spaces at the ends; at most 120 bytes.
 * @param fallback where nothing is left of it
 */
export function safeName(name: string, fallback: string): string {
  const clean = name.normalize('NFC').replace(UNSAFE, '_');
  const trimmed = trimEnds(cutToBytes(clean.replace(/^[\s.]+/, ''), NAME_BYTES));
  const usable = /[^_\s.]/.test(trimmed) ? trimmed : fallback;
  return usable.replace(RESERVED, '_$1').replace(/^-/, '_');
}

/**
 * The same with `tag` before the extension, which is kept when the name is cut: `report.pdf`, `3f2a` is `report-3f2a.pdf`.
 */
export function taggedFileName(name: string, tag: string, fallback: string): string {
  const extension = EXTENSION.exec(safeEnd(name))?.[0] ?? '';
  const stem = extension === '' ? name : safeEnd(name).slice(0, -extension.length);
  const room = NAME_BYTES - Buffer.byteLength(extension) - tag.length - 1;
  return `${trimEnds(cutToBytes(safeName(stem, fallback), room))}-${tag}${extension}`;
}

/** The name cleaned and trimmed, not cut. */
const safeEnd = (name: string): string => trimEnds(name.normalize('NFC').replace(UNSAFE, '_'));

const trimEnds = (name: string): string => name.replace(/[\s.]+$/, '');

/** As many whole characters from the beginning as fit. */
function cutToBytes(text: string, bytes: number): string {
  // A character has at least one byte: what lies beyond cannot fit.
  let cut = text.slice(0, bytes);
  while (Buffer.byteLength(cut) > bytes) cut = Array.from(cut).slice(0, -1).join('');
  return cut.replace(/[\ud800-\udbff]$/, '');
}
