const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** RFC 3339 with a zone, which is what Graph's `DateTimeOffset` allows. */
const INSTANT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;
const FIRST = Date.parse('0001-01-01T00:00:00Z');
const LAST = Date.parse('9999-12-31T23:59:59.999Z');

/** Whether the text is `YYYY-MM-DDThh:mm:ssZ`, Graph's usual form, and names a moment that exists, years 1 to 9999. */
export function isPlainInstant(text: string): boolean {
  if (text.length !== 20 || text[4] !== '-' || text[7] !== '-' || text[10] !== 'T') return false;
  if (text[13] !== ':' || text[16] !== ':' || text[19] !== 'Z') return false;
  const year = digits(text, 0) * 100 + digits(text, 2);
  const month = digits(text, 5);
  const day = digits(text, 8);
  const inDay = digits(text, 11) < 24 && digits(text, 14) < 60 && digits(text, 17) < 60;
  if (!inDay || !(year >= 1) || !(month >= 1 && month <= 12) || !(day >= 1)) return false;
  return day <= (DAYS[month - 1] ?? 0) && (month !== 2 || day < 29 || isLeap(year));
}

/** A moment in any form that RFC 3339 allows, as ISO 8601 in UTC; null where it is none or outside years 1 to 9999. */
export function toInstant(text: string): string | null {
  const [, local, fraction = '', zone] = INSTANT.exec(text) ?? [];
  if (local === undefined || zone === undefined || !isPlainInstant(`${local.toUpperCase()}Z`)) return null;
  const time = Date.parse(`${local}${fraction.slice(0, 4)}${zone}`.toUpperCase());
  return time >= FIRST && time <= LAST ? new Date(time).toISOString() : null;
}

/** Two decimal digits; NaN, with which every comparison fails, where there are none. */
function digits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
