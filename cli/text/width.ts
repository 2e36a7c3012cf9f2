import stringWidth from 'string-width';

const characters = new Intl.Segmenter();

/** Cuts a text to a number of terminal columns, between characters as people see them. */
export function truncate(text: string, width: number): string {
  if (text.length <= width / 2 || stringWidth(text) <= width) return text;
  let cut = '';
  let room = width - 1;
  for (const { segment } of characters.segment(text)) {
    room -= stringWidth(segment);
    if (room < 0) break;
    cut += segment;
  }
  return `${cut}…`;
}
