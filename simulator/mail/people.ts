import { type Bytes, jsonBytes, type JsonObject } from './bytes.ts';
import { hash, pick } from './rng.ts';
import { GIVEN_NAMES, OUTSIDE_DOMAINS, SURNAMES } from './vocabulary.ts';

/** Somebody who writes or gets mail. */
export interface Person {
  name: string;
  address: string;
}

/** A Graph `recipient`. */
export function recipient(person: Person): JsonObject {
  return { emailAddress: { name: person.name, address: person.address } };
}

/** A Graph `recipient` as JSON bytes. */
export function recipientBytes(person: Person): Bytes {
  return jsonBytes(recipient(person));
}

/** The local part that a name gets in addresses: ASCII letters, dots, and apostrophes as they are. */
export function localPart(given: string, surname: string): string {
  return `${given}.${surname}`
    .normalize('NFD')
    .replace(/\p{Mark}/gu, '')
    .replaceAll('ı', 'i')
    .toLowerCase();
}

/** The people outside the tenant whom its mailboxes correspond with: `count` of them, the same for the same seed. */
export function outsiders(seed: number, count: number): Person[] {
  return Array.from({ length: count }, (_, index) => {
    const given = pick(GIVEN_NAMES, hash(seed, index * 2));
    const surname = pick(SURNAMES, hash(seed, index * 2 + 1));
    const domain = pick(OUTSIDE_DOMAINS, hash(seed, index));
    return { name: `${given} ${surname}`, address: `${localPart(given, surname)}@${domain}` };
  });
}
