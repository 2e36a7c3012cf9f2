/** PostgreSQL cuts identifiers off at this many bytes, without a word. */
const MAX_BYTES = 63;
const PREFIX = 'outlook_emails_';

/**
 * The name of an organization's schema: `outlook_emails_` and the organization's id, lower-cased, with everything but
 * `a-z`, `0-9` and `_` written `_`. No input can break out of it: the result always matches
 * `^outlook_emails_[a-z0-9_]+$` and is never cut by PostgreSQL. Ids that differ only in case or punctuation fold to one
 * name; whoever finds a name taken asks again with the next `attempt`, which adds a hash of the id. An id too long for
 * the name always gets one.
 */
export function schemaName(organizationId: string, attempt = 0): string {
  const folded = organizationId.toLowerCase().replace(/[^a-z0-9_]/g, '_');
  if (attempt === 0 && folded !== '' && PREFIX.length + folded.length <= MAX_BYTES) return PREFIX + folded;
  const suffix = `_${hash(attempt === 0 ? organizationId : `${organizationId}/${attempt}`)}`;
  return PREFIX + folded.slice(0, MAX_BYTES - PREFIX.length - suffix.length) + suffix;
}

/** FNV-1a of the UTF-16 code units, 32 bits in hexadecimal. Collisions cost an attempt, nothing else. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return (value >>> 0).toString(16).padStart(8, '0');
}
