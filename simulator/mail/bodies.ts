import { type Bytes, jsonInner } from './bytes.ts';
import { hash, pick } from './rng.ts';
import { type Vocabulary, VOCABULARIES } from './vocabulary.ts';

/**
 * A body made once and used by many messages. A message puts its own reference line behind it, which makes it unique:
 * the text is `text + reference`, the HTML `html + reference + HTML_END`. All of it stands ready inside JSON quotes.
 */
export interface Body {
  text: Bytes;
  html: Bytes;
  /** The first characters of the text, at most 255. */
  preview: Bytes;
  /** Whether the preview is full without the reference, which then does not show in it. */
  previewIsFull: boolean;
}

const HTML_START = '<html><head><meta charset="utf-8"></head><body>\r\n<p>';

/** What closes every HTML body. */
export const HTML_END: Bytes = jsonInner('</p>\r\n</body></html>');

/** Characters that every reference line has, so that a preview can leave room for it. */
const REFERENCE_LENGTH = 12;

const PREVIEW_LENGTH = 255;
const BODIES_A_LANGUAGE = 128;
/** Long bodies are fewer, so that all of them take some tens of megabytes at most. */
const BYTES_A_LANGUAGE = 4 << 20;
const FEWEST_BODIES = 8;

/** Everything generated mail says in one language, ready to be copied into pages. */
export interface Phrasebook {
  bodies: readonly Body[];
  subjects: readonly Bytes[];
}

/** Makes one phrasebook a language. `bytes` is the wanted average length of a text in UTF-8 bytes. */
export function phrasebooks(seed: number, bytes: number): readonly Phrasebook[] {
  const count = Math.max(FEWEST_BODIES, Math.min(BODIES_A_LANGUAGE, Math.floor(BYTES_A_LANGUAGE / bytes)));
  return VOCABULARIES.map((vocabulary, language) => ({
    subjects: vocabulary.subjects.map(jsonInner),
    bodies: Array.from({ length: count }, (_, index) =>
      bodyOf(textLines(vocabulary, hash(hash(seed, language), index), bytes)),
    ),
  }));
}

function textLines(vocabulary: Vocabulary, seed: number, bytes: number): string[] {
  const lines = [pick(vocabulary.greetings, seed)];
  // From half to one and a half of the wanted length, evenly spread.
  const wanted = bytes / 2 + (bytes * (hash(seed, 0) % 1000)) / 1000;
  let length = Buffer.byteLength(lines[0] ?? '');
  for (let at = 1; length < wanted - 25; at++) {
    const line = pick(vocabulary.sentences, hash(seed, at));
    lines.push(line);
    length += Buffer.byteLength(line) + 2;
  }
  lines.push(pick(vocabulary.closings, seed >> 5), '');
  return lines;
}

function bodyOf(lines: readonly string[]): Body {
  const text = lines.join('\r\n');
  const previewIsFull = text.length > PREVIEW_LENGTH - REFERENCE_LENGTH;
  // A text that would be cut in the middle of the reference gives its first 255 characters only if it has as many.
  const padded = previewIsFull ? text.padEnd(PREVIEW_LENGTH, ' ') : text;
  return {
    text: jsonInner(padded),
    html: jsonInner(HTML_START + lines.map(escapeHtml).join('<br>\r\n')),
    preview: jsonInner(wholeCharacters(padded.slice(0, PREVIEW_LENGTH))),
    previewIsFull,
  };
}

/** Drops half a surrogate pair that a cut has left at the end. */
function wholeCharacters(text: string): string {
  return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
}

function escapeHtml(line: string): string {
  return line.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
