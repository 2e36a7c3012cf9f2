import type { GraphUser } from './mail.ts';
import type { MailboxReason, ScanFilters } from './scan.ts';

/**
 * Why a user's mailbox is not even tried, if so. Guests have no mailbox in this tenant. A missing `mail` or a disabled
 * account proves nothing: shared mailboxes are disabled accounts, so only Graph's own answer decides about those.
 */
export function skipReasonOf(user: GraphUser, filter: ScanFilters['mailboxes']): MailboxReason | undefined {
  if (user.userType === 'Guest' || user.userPrincipalName?.includes('#EXT#')) return 'guest';
  if (filter?.exclude?.some((wanted) => names(wanted, user))) return 'excluded';
  if (filter?.include?.length && !filter.include.some((wanted) => names(wanted, user))) return 'not_included';
  return undefined;
}

/** Whether `wanted`, an id, an address or a domain (`example.com` or `@example.com`), names the user. */
function names(wanted: string, { id, mail, userPrincipalName }: GraphUser): boolean {
  const folded = wanted.trim().toLowerCase();
  const addresses = [mail, userPrincipalName].flatMap((address) => address?.toLowerCase() ?? []);
  if (folded === id.toLowerCase() || addresses.includes(folded)) return true;
  const domain = folded.startsWith('@') ? folded : `@${folded}`;
  return !folded.slice(1).includes('@') && addresses.some((address) => address.endsWith(domain));
}
