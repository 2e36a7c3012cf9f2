import { isDeepStrictEqual } from 'node:util';
import type { Cloud, Connection, Credential } from '../model/connection.ts';
import { SealError } from '../model/sealing.ts';
import { query, run, transaction, type Client, type Database } from './database.ts';

/** A connection as a row holds it. */
export interface ConnectionRow {
  readonly connection_no: number;
  readonly organization_id: string;
  readonly tenant_id: string;
  readonly client_id: string;
  readonly cloud: Cloud;
  readonly sealed_credential: Buffer;
}

const COLUMNS = 'connection_no, c.organization_id, tenant_id, client_id, cloud, sealed_credential';

/**
 * The connection that a scan brought and that has not proved itself yet; undefined where it brought none, or its
 * candidate is the active connection by now.
 * @throws {SealError} when the key ring does not open it.
 */
export async function loadCandidate(db: Database, scanNo: number): Promise<Connection | undefined> {
  const [row] = await query<ConnectionRow>(db, {
    text: `SELECT ${COLUMNS} FROM outhaul.connections c WHERE scan_no = $1`,
    values: [scanNo],
  });
  return row && open(db, row);
}

/**
 * The connection that an organization's mail is read with.
 * @throws {SealError} when the key ring does not open it.
 */
export async function loadActive(db: Database, organizationId: string): Promise<Connection | undefined> {
  const [row] = await query<ConnectionRow>(db, {
    text: `SELECT ${COLUMNS} FROM outhaul.connections c WHERE organization_id = $1 AND scan_no IS NULL`,
    values: [organizationId],
  });
  return row && open(db, row);
}

/**
 * A scan's candidate, or else its organization's active connection.
 * @throws {SealError} when the key ring does not open it.
 */
export async function loadConnection(db: Database, scanNo: number): Promise<Connection | undefined> {
  const [row] = await query<ConnectionRow>(db, {
    text: `SELECT ${COLUMNS} FROM outhaul.connections c
      JOIN outhaul.scans s ON s.organization_id = c.organization_id AND (c.scan_no = s.scan_no OR c.scan_no IS NULL)
      WHERE s.scan_no = $1 ORDER BY c.scan_no NULLS LAST LIMIT 1`,
    values: [scanNo],
  });
  return row && open(db, row);
}

/**
 * Makes a scan's candidate the organization's active connection in place of the one before, whose id it takes over.
 * False where there is no candidate (any more), so that a second call does no harm.
 */
export const promoteCandidate = (db: Database, scanNo: number): Promise<boolean> =>
  transaction(db, async (client) => {
    const [candidate] = await run<{ organization_id: string }>(client, {
      text: 'SELECT organization_id FROM outhaul.connections WHERE scan_no = $1 FOR UPDATE',
      values: [scanNo],
    });
    if (!candidate) return false;
    const before = await takeActive(client, candidate.organization_id);
    await run(client, {
      text: `UPDATE outhaul.connections SET scan_no = NULL, promoted_at = now(),
          connection_id = coalesce($2, connection_id), created_at = coalesce($3, created_at)
        WHERE scan_no = $1`,
      values: [scanNo, before?.id, before?.createdAt],
    });
    return true;
  });

/**
 * Takes the active connection of an organization away, to be replaced in the same transaction. Two that replace it take
 * turns here: the second finds what the first has put.
 */
export async function takeActive(
  client: Client,
  organizationId: string,
): Promise<{ readonly id: string; readonly createdAt: string } | undefined> {
  await run(client, {
    text: 'SELECT FROM outhaul.organizations WHERE organization_id = $1 FOR NO KEY UPDATE',
    values: [organizationId],
  });
  const [before] = await run<{ id: string; createdAt: string }>(client, {
    text: `DELETE FROM outhaul.connections WHERE organization_id = $1 AND scan_no IS NULL
      RETURNING connection_id AS id, created_at AS "createdAt"`,
    values: [organizationId],
  });
  return before;
}

/** The other organizations whose active connection is of the same tenant, app registration and cloud. */
export async function organizationsSharing(
  db: Database,
  organizationId: string,
  { tenantId, clientId, cloud }: Connection,
): Promise<string[]> {
  const rows = await query<{ id: string }>(db, {
    text: `SELECT organization_id AS id FROM outhaul.connections
      WHERE organization_id <> $1 AND scan_no IS NULL
        AND lower(tenant_id) = lower($2) AND lower(client_id) = lower($3) AND cloud = $4
      ORDER BY id`,
    values: [organizationId, tenantId, clientId, cloud],
  });
  return rows.map(({ id }) => id);
}

/** Stores a scan's candidate, its credential sealed for the row that holds it. */
export async function addCandidate(
  db: Database,
  client: Client,
  { scanNo, organizationId, connection }: { scanNo: number; organizationId: string; connection: Connection },
): Promise<void> {
  const { tenantId, clientId, cloud } = connection;
  const { connectionNo, sealed } = await sealCredential(db, client, organizationId, connection);
  const told = await toldExpiry(db, client, organizationId, connection);
  await run(client, {
    text: `INSERT INTO outhaul.connections
      (connection_no, organization_id, scan_no, tenant_id, client_id, cloud, sealed_credential, secret_expires_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    values: [connectionNo, organizationId, scanNo, tenantId, clientId, cloud, sealed, told],
  });
}

/** Seals a credential for a row that is to come: a candidate keeps the number when it is promoted. */
export async function sealCredential(
  { sealer }: Database,
  client: Client,
  organizationId: string,
  { credential }: Connection,
): Promise<{ readonly connectionNo: number; readonly sealed: Buffer }> {
  const [next] = await run<{ no: number }>(client, {
    text: `SELECT nextval(pg_get_serial_sequence('outhaul.connections', 'connection_no')) AS no`,
  });
  const connectionNo = next?.no ?? 0;
  const context = contextOf(organizationId, connectionNo);
  return { connectionNo, sealed: sealer.seal(Buffer.from(JSON.stringify(credential)), context) };
}

/** What was told of the end of the active connection's secret, where the candidate brings the same secret again. */
async function toldExpiry(
  db: Database,
  client: Client,
  organizationId: string,
  connection: Connection,
): Promise<string | null> {
  const [active] = await run<ConnectionRow & { told: string | null }>(client, {
    text: `SELECT ${COLUMNS}, secret_expires_at AS told FROM outhaul.connections c
      WHERE organization_id = $1 AND scan_no IS NULL AND secret_expires_at IS NOT NULL`,
    values: [organizationId],
  });
  const before = active && openOrNothing(db, active);
  return before && isDeepStrictEqual(before, connection) ? active.told : null;
}

/** A credential sealed for one row opens as no other's. */
export const contextOf = (organizationId: string, connectionNo: number): string =>
  `connection/${organizationId}/${connectionNo}`;

/** @throws {SealError} when the key ring does not open it. */
export function open(db: Database, row: ConnectionRow): Connection {
  const plain = db.sealer.open(row.sealed_credential, contextOf(row.organization_id, row.connection_no));
  const credential = JSON.parse(plain.toString()) as Credential;
  return { tenantId: row.tenant_id, clientId: row.client_id, cloud: row.cloud, credential };
}

/** The same; undefined where the key ring does not open it. */
export function openOrNothing(db: Database, row: ConnectionRow): Connection | undefined {
  try {
    return open(db, row);
  } catch (error) {
    if (error instanceof SealError) return undefined;
    throw error;
  }
}
