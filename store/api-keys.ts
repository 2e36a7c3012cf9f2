import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { storableText } from '../model/text.ts';
import { query, run, transaction, type Client, type Database } from './database.ts';
import { UnknownOrganization, sqlState } from './errors.ts';

export interface ApiKey {
  readonly id: number;
  /** Null for an administrator. */
  readonly organizationId: string | null;
  readonly name: string;
  readonly createdAt: string;
  /** To the minute. */
  readonly lastUsedAt: string | null;
  readonly revokedAt: string | null;
}

export interface NewKey {
  readonly id: number;
  /** `outhaul_<id>_<secret>`: it can be shown now and never again. */
  readonly key: string;
}

interface KeyOwner {
  /** Null for an administrator. */
  readonly organizationId: string | null;
  /** For people to tell keys apart. */
  readonly name: string;
}

const KEY = /^outhaul_([1-9]\d{0,8})_([A-Za-z0-9_-]{43})$/;

/** @throws {UnknownOrganization} */
export const createKey = (db: Database, owner: KeyOwner): Promise<NewKey> =>
  transaction(db, (client) => insertKey(client, owner));

/** Whose key it is; undefined for one that was never made, or was revoked. */
export async function verifyKey(
  db: Database,
  key: string,
): Promise<{ readonly keyId: number; readonly organizationId: string | null } | undefined> {
  const [, id, secret = ''] = KEY.exec(key) ?? [];
  if (id === undefined) return undefined;
  const [stored] = await query<{ organizationId: string | null; hash: Buffer; stale: boolean }>(db, {
    text: `SELECT organization_id AS "organizationId", secret_hash AS hash,
        coalesce(last_used_at < now() - interval '1 minute', true) AS stale
      FROM outhaul.api_keys WHERE id = $1 AND revoked_at IS NULL`,
    values: [id],
  });
  if (!stored || !timingSafeEqual(stored.hash, hashOf(secret))) return undefined;
  if (stored.stale) {
    await query(db, { text: 'UPDATE outhaul.api_keys SET last_used_at = now() WHERE id = $1', values: [id] });
  }
  return { keyId: Number(id), organizationId: stored.organizationId };
}

/** The keys of an organization, or all (`null`), revoked ones too, in the order they were made. */
export const listKeys = (db: Database, organizationId: string | null): Promise<ApiKey[]> =>
  query<ApiKey>(db, {
    text: `SELECT id, organization_id AS "organizationId", name, created_at AS "createdAt",
        last_used_at AS "lastUsedAt", revoked_at AS "revokedAt"
      FROM outhaul.api_keys WHERE $1::text IS NULL OR organization_id = $1 ORDER BY id`,
    values: [organizationId],
  });

/**
 * Revokes a key, of an organization or of any (`null`); false where there is none such, or it was revoked before.
 */
export async function revokeKey(db: Database, id: number, organizationId: string | null): Promise<boolean> {
  const revoked = await query(db, {
    text: `UPDATE outhaul.api_keys SET revoked_at = now()
      WHERE id = $1 AND revoked_at IS NULL AND ($2::text IS NULL OR organization_id = $2) RETURNING id`,
    values: [id, organizationId],
  });
  return revoked.length > 0;
}

/** Makes an administrator's key where none is in force; undefined where one is. Of several processes, one makes it. */
export const firstAdminKey = (db: Database): Promise<NewKey | undefined> =>
  transaction(db, async (client) => {
    await run(client, { text: `SELECT pg_advisory_xact_lock(hashtextextended('outhaul/first-admin-key', 0))` });
    const [existing] = await run<{ id: number }>(client, {
      text: 'SELECT id FROM outhaul.api_keys WHERE organization_id IS NULL AND revoked_at IS NULL LIMIT 1',
    });
    return existing ? undefined : insertKey(client, { organizationId: null, name: 'first administrator' });
  });

async function insertKey(client: Client, { organizationId, name }: KeyOwner): Promise<NewKey> {
  const secret = randomBytes(32).toString('base64url');
  const [row] = await run<{ id: number }>(client, {
    text: 'INSERT INTO outhaul.api_keys (secret_hash, organization_id, name) VALUES ($1, $2, $3) RETURNING id',
    values: [hashOf(secret), organizationId, storableText(name)],
  }).catch((error: unknown) => {
    // `foreign_key_violation`
    throw sqlState(error) === '23503' ? new UnknownOrganization(organizationId ?? '') : error;
  });
  const id = row?.id ?? 0;
  return { id, key: `outhaul_${id}_${secret}` };
}

/** Secrets are 256 random bits: one round of SHA-256 is as good as many, and costs nothing at each request. */
const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest();
