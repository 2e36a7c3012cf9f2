/** What no system, or not every system, takes in a name; and what makes a name look like another. */
const UNSAFE =
  // eslint-disable-next-line no-control-regex -- control characters are what it looks for
  /[\u0000-\u001f\u007f-\u009f<>:"/\\|?*\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff]|\p{Surrogate}/gu;
/** Names that Windows keeps for devices, whatever extension follows. */
const RESERVED = /^(con|prn|aux|nul|conin\$|conout\$|com[\d\u00b9\u00b2\u00b3]|lpt[\d\u00b9\u00b2\u00b3])(?= *(\.|$))/i;
/** In UTF-8. Systems take 255 bytes or 255 UTF-16 units, some encrypted ones 143. */
const NAME_BYTES = 120;
const EXTENSION = /(?<=.)\.[\p{L}\p{N}-]{1,16}$/u;

/**
 * A name as a file or folder can have it on Linux, macOS and Windows, and that stays in the folder where it is put: no
 * separators, control or direction characters, reserved names, dots or spaces at the ends; at most 120 bytes.
 * @param fallback where nothing is left of it
 */
export const safeName = (name: string, fallback: string): string => fitted(cleaned(name), NAME_BYTES, fallback);

/** The same of a file: the extension is kept when the name is cut. */
export const safeFileName = (name: string, fallback: string): string => fileName(name, '', fallback);

/** The same with `tag` before the extension: `report.pdf`, `3f2a` is `report-3f2a.pdf`. */
export const taggedFileName = (name: string, tag: string, fallback: string): string =>
  fileName(name, `-${tag}`, fallback);

function fileName(name: string, end: string, fallback: string): string {
  const clean = cleaned(name);
  const extension = EXTENSION.exec(clean)?.[0] ?? '';
  const stem = clean.slice(0, clean.length - extension.length);
  const room = NAME_BYTES - Buffer.byteLength(extension) - end.length;
  return `${fitted(stem, room, fallback)}${end}${extension}`;
}

const cleaned = (name: string): string =>
  trimEnd(
    name
      .normalize('NFC')
      .replace(UNSAFE, '_')
      .replace(/^[\s.]+/, ''),
  );

const trimEnd = (name: string): string => name.replace(/[\s.]+$/, '');

function fitted(name: string, bytes: number, fallback: string): string {
  // One byte is kept for the underscore that may come before it.
  const cut = trimEnd(cutToBytes(name, bytes - 1));
  const usable = /[^_\s.]/.test(cut) ? cut : fallback;
  return usable.replace(RESERVED, '_$1').replace(/^-/, '_');
}

/** As many whole characters from the beginning as fit. */
function cutToBytes(text: string, bytes: number): string {
  let length = 0;
  let end = 0;
  for (const character of text) {
    length += Buffer.byteLength(character);
    if (length > bytes) break;
    end += character.length;
  }
  return text.slice(0, end);
}
