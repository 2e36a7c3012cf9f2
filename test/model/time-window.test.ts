import { describe, expect, it } from 'vitest';
import { isBounded, isWithin } from '../../model/time-window.ts';

const NEW_YEAR = '2026-01-01T00:00:00Z';
const EASTER = '2026-04-05T00:00:00Z';

describe('a window of time', () => {
  it('leaves nothing out where both of its ends are open', () => {
    expect(isBounded({})).toBe(false);
    expect(isBounded({ since: NEW_YEAR })).toBe(true);
    expect(isBounded({ until: EASTER })).toBe(true);
    expect(isWithin({}, NEW_YEAR)).toBe(true);
  });

  it('begins with its first moment and ends before its last', () => {
    const window = { since: NEW_YEAR, until: EASTER };
    expect(isWithin(window, '2025-12-31T23:59:59Z')).toBe(false);
    expect(isWithin(window, '2026-01-01T01:00:00+01:00')).toBe(true);
    expect(isWithin(window, '2026-04-04T23:59:59Z')).toBe(true);
    expect(isWithin(window, EASTER)).toBe(false);
  });

  it('holds a message that does not say when it was received', () => {
    for (const unsaid of [undefined, null, 7, 'never']) expect(isWithin({ since: NEW_YEAR }, unsaid)).toBe(true);
  });
});
