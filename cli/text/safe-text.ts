/**
 * What a text of somebody else's must not carry into a terminal: control characters, which can move the cursor, change
 * the title or hide text (C0, DEL, C1), line separators, and the characters that reorder text, which can make an address
 * look like another one (Unicode TR 36, bidirectional controls).
 */
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** One line that is safe to show: white space becomes a blank, everything else that is unsafe U+FFFD. */
export function safeLine(text: string): string {
  return text.replace(/[\t\n\v\f\r\u0085\u2028\u2029]+/g, ' ').replace(UNSAFE, '\ufffd');
}

/** JSON that means the same and is safe to show: what JSON need not escape, but a terminal would act on, is escaped. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Several lines, such as CSV: line ends and tabs stay. */
export function safeText(text: string): string {
  return text.replace(UNSAFE, (unit) => (unit === '\n' || unit === '\r' || unit === '\t' ? unit : '\ufffd'));
}
