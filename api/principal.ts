import { createHash } from 'node:crypto';
import { verifyKey } from '../store/api-keys.ts';
import type { Database } from '../store/database.ts';

/** Who calls. */
export interface Principal {
  /** As the audit log and the log name it: `key:12`, or `local` where authentication is off. */
  readonly actor: string;
  /** The one organization it sees; null for an administrator. */
  readonly organizationId: string | null;
}

export const isAdministrator = ({ organizationId }: Principal): boolean => organizationId === null;

/** The caller where `OUTHAUL_AUTH=none`. */
export const LOCAL_ADMINISTRATOR: Principal = { actor: 'local', organizationId: null };

/** Tells who a key belongs to; undefined for a key that is unknown or revoked. */
export interface KeyChecker {
  check(key: string): Promise<Principal | undefined>;
  /** Forgets what it knows, so that a key just revoked is refused at once. */
  forget(): void;
}

/** How long a key counts as good without asking again: the delay until every process refuses a revoked one. */
const TRUSTED_MS = 5_000;
const MOST_TRUSTED = 1_000;

/** Asks the store, and not again for the same key for 5 seconds. Keys are remembered hashed. */
export function createKeyChecker(db: Database, now: () => number = Date.now): KeyChecker {
  const trusted = new Map<string, { principal: Principal; until: number }>();
  return {
    async check(key) {
      const hash = createHash('sha256').update(key).digest('base64');
      const known = trusted.get(hash);
      if (known && known.until > now()) return known.principal;
      trusted.delete(hash);
      const found = await verifyKey(db, key);
      if (!found) return undefined;
      const principal: Principal = { actor: `key:${found.keyId}`, organizationId: found.organizationId };
      if (trusted.size >= MOST_TRUSTED) trusted.clear();
      trusted.set(hash, { principal, until: now() + TRUSTED_MS });
      return principal;
    },
    forget: () => trusted.clear(),
  };
}
