import type { Logger } from 'pino';

/** A line for the log that may be due thousands of times a second. */
export type SparingLog = (fields: object, message: string) => void;

/** Warns once, and of the same again after a while only, with the number of times in between. */
export function sparingly(log: Pick<Logger, 'warn'>, everyMs = 10_000): SparingLog {
  const told = new Map<string, { at: number; since: number }>();
  return (fields, message) => {
    const last = told.get(message);
    if (last && performance.now() - last.at < everyMs) {
      last.since++;
      return;
    }
    log.warn({ ...fields, ...(last && last.since > 0 && { sinceLastLine: last.since }) }, message);
    told.set(message, { at: performance.now(), since: 0 });
  };
}
