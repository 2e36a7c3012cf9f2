import { InvalidArgumentError, Option } from 'commander';
import { ID_PATTERN, ID_RULE } from '../model/ids.ts';

/** A parser for an option that is a whole number. */
export const wholeNumber =
  (min: number, max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(
      max === Number.MAX_SAFE_INTEGER
        ? `It must be a whole number of at least ${min}.`
        : `It must be a whole number between ${min} and ${max}.`,
    );
  };

export const port = wholeNumber(0, 65_535);

/** An `organizationId` or a `scanId`. */
export function identifier(text: string): string {
  if (!ID_PATTERN.test(text)) throw new InvalidArgumentError(`It ${ID_RULE}.`);
  return text;
}

/** Comma-separated; the option may also be given several times. */
export function list(text: string, before: readonly string[] | undefined): readonly string[] {
  const items = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  if (items.length === 0) throw new InvalidArgumentError('It must name something.');
  return [...(before ?? []), ...items];
}

/** A date or an ISO 8601 time with its zone. */
export function time(text: string): string {
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  if (!isTime || Number.isNaN(Date.parse(text))) {
    throw new InvalidArgumentError('It must be a date, such as 2026-01-31, or a time, such as 2026-01-31T08:00:00Z.');
  }
  return text;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** A length of time, in seconds: `90s`, `15m`, `6h`, `1d`. */
export function duration(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const seconds = Number(number) * (SECONDS[unit] ?? Number.NaN);
  if (Number.isNaN(seconds)) throw new InvalidArgumentError('It must be a length of time, such as 90s, 15m, 6h or 1d.');
  return seconds;
}

export function webUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError('It must be a URL such as http://127.0.0.1:8000.');
  }
  return text.replace(/\/+$/, '');
}

export const option = (flags: string, description: string): Option => new Option(flags, description);
