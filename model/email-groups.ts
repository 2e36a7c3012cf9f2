import { InvalidFilter, filterItems } from './filter-list.ts';

/** Domains (`company.com`) and addresses (`ada@company.com`), in lower case; none: everyone. */
export type EmailGroups = readonly string[];

/**
 * `EMAIL_GROUPS`: domains, with or without `@` before them, and addresses.
 * @throws {InvalidFilter}
 */
export function parseEmailGroups(text: string): EmailGroups {
  const groups = filterItems(text).map((item) => {
    const group = item.toLowerCase().replace(/^@/, '');
    if (/^([^\s@]+@)?[^\s@.]+(\.[^\s@.]+)+$/.test(group)) return group;
    throw new InvalidFilter(`"${item}" is neither a domain (company.com) nor an address (ada@company.com)`);
  });
  return [...new Set(groups)];
}

/** Whether one of the sender's addresses is in one of the groups. A subdomain is a domain of its own. */
export function isOfGroups(groups: EmailGroups, addresses: readonly (string | null)[]): boolean {
  if (groups.length === 0) return true;
  return addresses.some((address) => {
    const folded = address?.trim().toLowerCase() ?? '';
    const at = folded.lastIndexOf('@');
    return at > 0 && (groups.includes(folded) || groups.includes(folded.slice(at + 1)));
  });
}
