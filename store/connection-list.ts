import type { CheckOutcome } from '../model/connection-check.ts';
import type { Cloud, Credential } from '../model/connection.ts';
import { expiryOf } from '../model/credential-expiry.ts';
import { openOrNothing, type ConnectionRow } from './connections.ts';
import { query, run, transaction, type Database } from './database.ts';

/** An organization's connection as people may see it: all but the credential. */
export interface StoredConnection {
  /** Stays when the credential is replaced. */
  readonly id: string;
  readonly organizationId: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly cloud: Cloud;
  /** Null where the key ring does not open it: its key is missing. */
  readonly kind: Credential['kind'] | null;
  /** When the credential ends; null where that is not known. */
  readonly expiresAt: string | null;
  readonly createdAt: string;
  /** Since when the credential is in use. */
  readonly rotatedAt: string;
  readonly lastCheck: { readonly checkedAt: string; readonly outcome: CheckOutcome } | null;
}

interface ListedRow extends ConnectionRow {
  readonly id: string;
  readonly createdAt: string;
  readonly rotatedAt: string;
  readonly told: string | null;
  readonly checkedAt: string | null;
  readonly outcome: CheckOutcome | null;
}

const LISTED = `SELECT c.connection_id AS id, c.connection_no, c.organization_id, c.tenant_id, c.client_id, c.cloud,
    c.sealed_credential, c.created_at AS "createdAt", coalesce(c.promoted_at, c.created_at) AS "rotatedAt",
    c.secret_expires_at AS told, last.ended_at AS "checkedAt", last.outcome
  FROM outhaul.connections c LEFT JOIN LATERAL (
    SELECT ended_at, outcome FROM outhaul.connection_checks k
    WHERE k.organization_id = c.organization_id AND k.ended_at IS NOT NULL
      AND (k.connection_no = c.connection_no OR k.connection_id = c.connection_id AND k.connection_no IS NULL)
    ORDER BY check_no DESC LIMIT 1) last ON true
  WHERE c.scan_no IS NULL`;

/** The connections of an organization, or all (`null`), in the order of their organizations. */
export async function listConnections(db: Database, organizationId: string | null): Promise<StoredConnection[]> {
  const rows = await query<ListedRow>(db, {
    text: `${LISTED} AND ($1::text IS NULL OR c.organization_id = $1) ORDER BY c.organization_id`,
    values: [organizationId],
  });
  return rows.map((row) => shown(db, row));
}

/** One connection, of an organization or of any (`null`). */
export async function connectionById(
  db: Database,
  id: string,
  organizationId: string | null,
): Promise<StoredConnection | undefined> {
  const [row] = await query<ListedRow>(db, {
    text: `${LISTED} AND c.connection_id = $1 AND ($2::text IS NULL OR c.organization_id = $2)`,
    values: [id, organizationId],
  });
  return row && shown(db, row);
}

/** Notes when the credential of the active connection ends, as Microsoft told it. */
export async function noteExpiry(db: Database, organizationId: string, expiresAt: string): Promise<void> {
  await query(db, {
    text: 'UPDATE outhaul.connections SET secret_expires_at = $2 WHERE organization_id = $1 AND scan_no IS NULL',
    values: [organizationId, expiresAt],
  });
}

/** How a removal went; `in_use` while a scan or a session of the organization has not ended. */
export type Removal =
  { readonly status: 'removed' | 'unknown' } | { readonly status: 'in_use'; readonly scanIds: readonly string[] };

/** Removes a connection for good, unless a scan or a session may need it. */
export const removeConnection = (db: Database, id: string): Promise<Removal> =>
  transaction(db, async (client) => {
    const [row] = await run<{ organization_id: string }>(client, {
      text: 'SELECT organization_id FROM outhaul.connections WHERE connection_id = $1 AND scan_no IS NULL',
      values: [id],
    });
    if (!row) return { status: 'unknown' };
    const { organization_id: organizationId } = row;
    // A scan that is being added refers to the organization: it is there already, or waits until this is over.
    await run(client, {
      text: 'SELECT FROM outhaul.organizations WHERE organization_id = $1 FOR UPDATE',
      values: [organizationId],
    });
    const scans = await run<{ id: string }>(client, {
      text: `SELECT scan_id AS id FROM outhaul.scans s WHERE organization_id = $1 AND (ended_at IS NULL
          OR EXISTS (SELECT FROM outhaul.sessions o WHERE o.scan_no = s.scan_no AND o.ended_at IS NULL))
        ORDER BY scan_no LIMIT 5`,
      values: [organizationId],
    });
    if (scans.length > 0) return { status: 'in_use', scanIds: scans.map((scan) => scan.id) };
    const gone = await run(client, {
      text: 'DELETE FROM outhaul.connections WHERE connection_id = $1 AND scan_no IS NULL RETURNING connection_no',
      values: [id],
    });
    return { status: gone.length > 0 ? 'removed' : 'unknown' };
  });

function shown(db: Database, row: ListedRow): StoredConnection {
  const { id, organization_id: organizationId, createdAt, rotatedAt, told, checkedAt, outcome } = row;
  const credential = openOrNothing(db, row)?.credential;
  return {
    id,
    organizationId,
    tenantId: row.tenant_id,
    clientId: row.client_id,
    cloud: row.cloud,
    kind: credential?.kind ?? null,
    expiresAt: credential ? expiryOf(credential, told) : told,
    createdAt,
    rotatedAt,
    lastCheck: checkedAt === null || outcome === null ? null : { checkedAt, outcome },
  };
}
