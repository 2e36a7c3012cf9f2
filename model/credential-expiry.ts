import { X509Certificate } from 'node:crypto';
import type { Credential } from './connection.ts';

/** From this many days before the end of a credential on it is warned of. */
const WARN_DAYS = 30;
const DAY_MS = 24 * 60 * 60_000;

/**
 * When a credential ends, ISO 8601: a certificate says it itself, the end of a secret is what someone told. Null where
 * it is not known.
 */
export function expiryOf(credential: Credential, told: string | null): string | null {
  return credential.kind === 'certificate' ? (certificateEnd(credential.certificate) ?? null) : told;
}

/** A certificate's `notAfter`, ISO 8601; undefined for what is no certificate. */
export function certificateEnd(pem: string): string | undefined {
  try {
    return new Date(new X509Certificate(pem).validTo).toISOString();
  } catch {
    return undefined;
  }
}

/** Whole days until a time; negative once it is over. */
export const daysUntil = (time: string, now: number): number => Math.floor((Date.parse(time) - now) / DAY_MS);

/** What to tell of a credential that ends within 30 days, or has ended; undefined where there is nothing to tell. */
export function expiryWarning(
  { kind, expiresAt }: { readonly kind: Credential['kind'] | null; readonly expiresAt: string | null },
  now: number,
): string | undefined {
  if (expiresAt === null) return undefined;
  const days = daysUntil(expiresAt, now);
  if (days >= WARN_DAYS) return undefined;
  const what = kind === 'certificate' ? 'The certificate' : 'The client secret';
  const date = expiresAt.slice(0, 10);
  if (Date.parse(expiresAt) <= now) return `${what} of the connection has expired on ${date}: rotate the connection`;
  const left = days === 0 ? 'within a day' : `in ${days} day${days === 1 ? '' : 's'}`;
  return `${what} of the connection expires ${left}, on ${date}: rotate the connection before that`;
}
