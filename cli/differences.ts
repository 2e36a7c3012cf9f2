import type { ScanStateAnswer } from './api-client.ts';
import { count } from './text/numbers.ts';

const WORDS = { added: 'new', changed: 'changed', moved: 'moved', deleted: 'deleted', restored: 'restored' } as const;
const KINDS = Object.keys(WORDS) as (keyof typeof WORDS)[];

/** `12 new, 3 moved`: what a scan found otherwise than it was stored; empty where that is nothing. */
export const differencesInWords = (differences: ScanStateAnswer['differences']): string =>
  KINDS.filter((kind) => differences[kind] > 0)
    .map((kind) => `${count(differences[kind])} ${WORDS[kind]}`)
    .join(', ');
