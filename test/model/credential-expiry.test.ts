import { describe, expect, it } from 'vitest';
import { certificateEnd, expiryOf, expiryWarning } from '../../model/credential-expiry.ts';

const NOW = Date.parse('2026-11-21T09:00:00Z');
const warningFor = (expiresAt: string | null, kind: 'secret' | 'certificate' | null = 'secret') =>
  expiryWarning({ kind, expiresAt }, NOW);

describe('a credential that ends', () => {
  it.each([
    ['2026-12-22T09:00:00Z', undefined],
    ['2026-12-21T09:00:00Z', undefined],
    ['2026-12-21T08:59:59Z', 'expires in 29 days, on 2026-12-21'],
    ['2026-11-22T10:00:00Z', 'expires in 1 day, on 2026-11-22'],
    ['2026-11-21T19:00:00Z', 'expires within a day, on 2026-11-21'],
    ['2026-11-21T09:00:00Z', 'has expired on 2026-11-21'],
    ['2025-01-01T00:00:00Z', 'has expired on 2025-01-01'],
  ])('on %s is warned of thus: %s', (expiresAt, words) => {
    if (words === undefined) expect(warningFor(expiresAt)).toBeUndefined();
    else expect(warningFor(expiresAt)).toContain(words);
  });

  it('is called what it is, and nothing where its end is not known', () => {
    expect(warningFor('2026-11-22T10:00:00Z')).toMatch(/^The client secret of the connection/);
    expect(warningFor('2026-11-22T10:00:00Z', 'certificate')).toMatch(/^The certificate of the connection/);
    expect(warningFor(null)).toBeUndefined();
  });

  it('by a secret is told by people, and what is no certificate tells nothing', () => {
    const told = '2027-01-01T00:00:00Z';
    expect(expiryOf({ kind: 'secret', clientSecret: 'x' }, told)).toBe(told);
    expect(expiryOf({ kind: 'secret', clientSecret: 'x' }, null)).toBeNull();
    expect(expiryOf({ kind: 'certificate', certificate: 'no PEM', privateKey: 'x' }, told)).toBeNull();
    expect(certificateEnd('no PEM')).toBeUndefined();
  });
});
