import { GeneratedContent } from './content.ts';
import { hash, pick } from './rng.ts';
import type { AttachmentRecord } from './record.ts';

const KINDS = [
  { name: 'Delivery note', extension: 'pdf', contentType: 'application/pdf' },
  { name: 'Price list', extension: 'xlsx', contentType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet' },
  { name: 'Übersicht', extension: 'docx', contentType: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document' },
  { name: 'Dock photo', extension: 'png', contentType: 'image/png' },
  { name: 'export', extension: 'csv', contentType: 'text/csv' },
] as const; // prettier-ignore

/**
 * The attachments of a generated message that has some: one to three files of 200 bytes to 60 KB, one in 500 of 4 MB.
 * `seed` is the message's own.
 */
export function generatedAttachments(seed: number): AttachmentRecord[] {
  const count = 1 + (seed % 3);
  return Array.from({ length: count }, (_, index) => {
    const dice = hash(seed, index);
    const kind = pick(KINDS, dice);
    const bytes = dice % 500 === 0 ? 4 << 20 : 200 + (hash(dice, 1) % 60_000);
    return {
      kind: 'file',
      name: `${kind.name} ${dice % 10_000}.${kind.extension}`,
      contentType: kind.contentType,
      isInline: false,
      contentId: null,
      content: new GeneratedContent(dice, bytes),
    };
  });
}
