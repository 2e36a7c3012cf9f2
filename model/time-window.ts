/** When messages were received, ISO 8601: at `since` or later, before `until`. An end that is absent is open. */
export interface TimeWindow {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Whether a window leaves anything out. */
export const isBounded = ({ since, until }: TimeWindow): boolean => since !== undefined || until !== undefined;

/** Whether a message that was received then lies in the window. One that does not say when it was received does. */
export function isWithin({ since, until }: TimeWindow, receivedDateTime: unknown): boolean {
  const received = typeof receivedDateTime === 'string' ? Date.parse(receivedDateTime) : NaN;
  const isEarly = since !== undefined && received < Date.parse(since);
  const isLate = until !== undefined && received >= Date.parse(until);
  return !isEarly && !isLate;
}
