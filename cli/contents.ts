import type { ScanStateAnswer } from './api-client.ts';
import { count, counted } from './text/numbers.ts';

type Contents = NonNullable<ScanStateAnswer['contents']>;

/** `120 attachments stored (2 left out, 1 in quarantine), 80 originals stored`: empty where there is nothing. */
export function contentsInWords(contents: Contents): string {
  const attachments = part('attachment', contents.attachments, [
    [contents.attachmentsLeftOut, 'left out'],
    [contents.attachmentsQuarantined, 'in quarantine'],
  ]);
  const originals = part('original', contents.originals, [[contents.originalsQuarantined, 'in quarantine']]);
  return [attachments, originals].filter((text) => text !== '').join(', ');
}

function part(noun: string, stored: number, others: readonly [number: number, words: string][]): string {
  const there = others.filter(([number]) => number > 0).map(([number, words]) => `${count(number)} ${words}`);
  if (stored === 0 && there.length === 0) return '';
  return `${counted(stored, noun)} stored${there.length > 0 ? ` (${there.join(', ')})` : ''}`;
}
