/** Whom mail was sent to: an address as it is counted, and its domain, both in lower case. */
export interface ContactAddress {
  readonly address: string;
  readonly domain: string;
}

/** What is known of a recipient, from the sent items of the mailboxes that count. */
export interface Contact extends ContactAddress {
  /** Mails; one that names the recipient twice is one. */
  readonly totalMailsSent: number;
  /** When the latest was sent, ISO 8601 in UTC; null where none says when. */
  readonly lastInteractedDate: string | null;
}

/** An address is no longer than this (RFC 5321: 64 for the name, 255 for the domain). */
const MAX_LENGTH = 320;
const ADDRESS = /^[^\s@<>]+@([^\s@<>.[\]]+(?:\.[^\s@<>.[\]]+)+)$/;

/**
 * The address that a recipient is counted under; undefined for what is none.
 *
 * Case and display names do not count. `Ada <ada@x.example>`, quotes around the whole, `mailto:`, `SMTP:` and a dot at the
 * end are taken off. A group without an address has none. Exchange's own names (`/o=…`, `EX:…`, `IMCEAEX-…`) say nothing of
 * an address outside and are left out; `IMCEASMTP-` and `IMCEAMAILTO-` are an address, escaped.
 * Source of the escapes: https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxcmail
 */
export function contactAddress(text: string | null): ContactAddress | undefined {
  const plain = plainAddress(text ?? '');
  const inner = /^imcea(?:smtp|mailto)-([^@]+)@/i.exec(plain)?.[1];
  const whole = inner === undefined ? plain : plainAddress(unescaped(inner));
  if (/^(imcea|ex:|\/)/i.test(whole)) return undefined;
  const address = whole.normalize('NFC').toLowerCase();
  const domain = ADDRESS.exec(address)?.[1];
  if (domain === undefined || address.length > MAX_LENGTH || /\p{Cc}|\p{Cs}/u.test(address)) return undefined;
  return { address, domain };
}

function plainAddress(text: string): string {
  const bracketed = /<([^<>]*)>\s*$/.exec(text)?.[1] ?? text;
  return bracketed
    .trim()
    .replace(/^(['"])(.*)\1$/s, '$2')
    .replace(/^(mailto|smtp):/i, '')
    .replace(/\.$/, '')
    .trim();
}

/** `+40` is the character of that number, `_` a slash. */
const unescaped = (text: string): string =>
  text.replaceAll('_', '/').replace(/\+([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));

/** The addresses of a mail's recipients, each once. */
export function contactAddresses(texts: readonly (string | null)[]): ContactAddress[] {
  const found = texts.flatMap((text) => contactAddress(text) ?? []);
  return [...new Map(found.map((contact) => [contact.address, contact])).values()];
}
