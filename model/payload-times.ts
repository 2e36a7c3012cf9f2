import { isPlainInstant, toInstant } from './instants.ts';

/** A moment as items of a Redis list have it: `2025-01-19T10:30:00Z`. Empty where there is none. */
export const toSeconds = (instant: string | null): string =>
  isUsual(instant) ? instant : toIso(instant).replace(/\.\d+Z$/, 'Z');

/** A moment as utilities have it: `2025-12-23T09:45:12.000000`, in UTC without saying so. Empty where there is none. */
export const toZonelessMicroseconds = (instant: string | null): string =>
  isUsual(instant) ? `${instant.slice(0, -1)}.000000` : toIso(instant).replace(/\.(\d{3})Z$/, '.$1000');

/** Nearly all are, as the store has them. */
const isUsual = (instant: string | null): instant is string => instant !== null && isPlainInstant(instant);

const toIso = (instant: string | null): string => (instant === null ? '' : (toInstant(instant) ?? ''));
