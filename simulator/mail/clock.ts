const DAY = 86_400;
const TWO_DIGITS = Array.from({ length: 60 }, (_, value) => String(value).padStart(2, '0'));
const days = new Map<number, string>();

/** Seconds since 1970 in Graph's form, `YYYY-MM-DDThh:mm:ssZ`; years 1 to 9999. */
export function graphTime(seconds: number): string {
  const day = Math.floor(seconds / DAY);
  const second = seconds - day * DAY;
  const hours = TWO_DIGITS[(second / 3600) | 0];
  const minutes = TWO_DIGITS[((second % 3600) / 60) | 0];
  return `${dayText(day)}T${hours}:${minutes}:${TWO_DIGITS[second % 60]}Z`;
}

/** Reads a Graph time into seconds since 1970; undefined where it is none. */
export function secondsOf(text: string): number | undefined {
  const milliseconds = Date.parse(text);
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000);
}

/** Mail covers a few thousand days at most; each is written out once. */
function dayText(day: number): string {
  let text = days.get(day);
  if (text === undefined) {
    text = new Date(day * DAY * 1000).toISOString().slice(0, 10);
    if (days.size > 20_000) days.clear();
    days.set(day, text);
  }
  return text;
}
