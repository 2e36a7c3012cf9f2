const LONGEST_MS = 24 * 60 * 60 * 1000;

/**
 * The wait that a `Retry-After` header asks for, in milliseconds: a number of seconds, which Outlook sends with
 * fractions (`2.128`), or an HTTP date, counted from the answer's own `Date` so that our clock does not matter.
 * Undefined when it is absent or cannot be understood. Never negative, never more than a day.
 */
export function parseRetryAfter(value: string | undefined, answeredAt?: string): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d+(\.\d*)?$/.test(text)) return Math.min(Math.ceil(Number(text) * 1000), LONGEST_MS);
  if (!/^[A-Z][a-z]{2}/.test(text)) return undefined;
  const at = Date.parse(text);
  if (Number.isNaN(at)) return undefined;
  const now = Date.parse(answeredAt ?? '');
  return Math.min(Math.max(at - (Number.isNaN(now) ? Date.now() : now), 0), LONGEST_MS);
}
