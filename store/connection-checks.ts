import type { CheckOutcome, CheckReport, Finding } from '../model/connection-check.ts';
import type { Connection } from '../model/connection.ts';
import { loadActive, open, sealCredential, takeActive, type ConnectionRow } from './connections.ts';
import { query, run, transaction, type Client, type Database } from './database.ts';
import { Unknown } from './errors.ts';

/** What is to be checked: the active connection, or a candidate that replaces it where it works. */
export interface NewCheck {
  readonly organizationId: string;
  /** The connection that is checked or replaced; undefined where the candidate is the organization's first. */
  readonly connectionId?: string | undefined;
  readonly candidate?: Candidate | undefined;
  /** Address or id of a mailbox that the app is meant to read. */
  readonly mailbox?: string | undefined;
}

export interface Candidate {
  readonly connection: Connection;
  /** When its secret ends, as someone told it. */
  readonly secretExpiresAt?: string | undefined;
}

/** A check that is under way. */
export interface OpenCheck {
  readonly connection: Connection;
  readonly isCandidate: boolean;
  /** As someone told it. */
  readonly secretExpiresAt: string | null;
  readonly mailbox: string | null;
}

export interface EndedCheck {
  readonly endedAt: string;
  readonly outcome: CheckOutcome;
  readonly findings: readonly Finding[];
  /** Whether the candidate is the active connection now. */
  readonly isActive: boolean;
}

/** Old checks are forgotten after this. */
const KEPT = '30 days';

/** There is no such check, it has ended, or what it is about is gone. */
export class UnknownCheck extends Unknown {
  override readonly name = 'UnknownCheck';
  constructor(checkNo: number) {
    super(`check number ${checkNo} is not known, or has ended`);
  }
}

/** Records a check of an organization that is there already; a candidate is sealed. @returns its number */
export const addCheck = (db: Database, { organizationId, connectionId, candidate, mailbox }: NewCheck) =>
  transaction(db, async (client): Promise<number> => {
    await run(client, {
      text: `DELETE FROM outhaul.connection_checks
        WHERE organization_id = $1 AND requested_at < now() - interval '${KEPT}'`,
      values: [organizationId],
    });
    const [added] = await run<{ no: number }>(client, {
      text: `INSERT INTO outhaul.connection_checks (organization_id, connection_id, mailbox) VALUES ($1, $2, $3)
        RETURNING check_no AS no`,
      values: [organizationId, connectionId, mailbox],
    });
    const checkNo = added?.no ?? 0;
    if (candidate) await addCandidate(db, client, checkNo, organizationId, candidate);
    return checkNo;
  });

async function addCandidate(
  db: Database,
  client: Client,
  checkNo: number,
  organizationId: string,
  { connection, secretExpiresAt }: Candidate,
): Promise<void> {
  const { tenantId, clientId, cloud } = connection;
  const { connectionNo, sealed } = await sealCredential(db, client, organizationId, connection);
  await run(client, {
    text: `UPDATE outhaul.connection_checks SET connection_no = $2, tenant_id = $3, client_id = $4, cloud = $5,
        sealed_credential = $6, secret_expires_at = $7
      WHERE check_no = $1`,
    values: [checkNo, connectionNo, tenantId, clientId, cloud, sealed, secretExpiresAt],
  });
}

/**
 * What a check that is under way is about.
 * @throws {UnknownCheck}
 * @throws {SealError} when the key ring does not open it.
 */
export async function openCheck(db: Database, checkNo: number): Promise<OpenCheck> {
  const [check] = await query<
    ConnectionRow & { told: string | null; mailbox: string | null; activeTold: string | null }
  >(db, {
    text: `SELECT k.connection_no, k.organization_id, k.tenant_id, k.client_id, k.cloud, k.sealed_credential,
          k.secret_expires_at AS told, k.mailbox, c.secret_expires_at AS "activeTold"
        FROM outhaul.connection_checks k
        LEFT JOIN outhaul.connections c ON c.organization_id = k.organization_id AND c.scan_no IS NULL
        WHERE k.check_no = $1 AND k.ended_at IS NULL`,
    values: [checkNo],
  });
  if (!check) throw new UnknownCheck(checkNo);
  const { told, mailbox, activeTold } = check;
  const isCandidate = (check.sealed_credential as Buffer | null) !== null;
  const connection = isCandidate ? open(db, check) : await loadActive(db, check.organization_id);
  if (!connection) throw new UnknownCheck(checkNo);
  return { connection, isCandidate, secretExpiresAt: isCandidate ? told : activeTold, mailbox };
}

/**
 * Ends a check with what it found, and forgets the candidate; one that works takes the place of the connection it is to
 * replace, with that one's id. A connection that has changed or gone meanwhile is not replaced. The first end stays.
 */
export const endCheck = (db: Database, checkNo: number, { outcome, findings, expiresAt }: CheckReport): Promise<void> =>
  transaction(db, async (client) => {
    const [check] = await run<{ organizationId: string; connectionId: string | null; hasCandidate: boolean }>(client, {
      text: `SELECT organization_id AS "organizationId", connection_id AS "connectionId",
          sealed_credential IS NOT NULL AS "hasCandidate"
        FROM outhaul.connection_checks WHERE check_no = $1 AND ended_at IS NULL FOR UPDATE`,
      values: [checkNo],
    });
    if (!check) return;
    const works = outcome === 'passed' || outcome === 'warning';
    if (works && check.hasCandidate) await promote(client, checkNo, check, expiresAt);
    await run(client, {
      text: `UPDATE outhaul.connection_checks SET ended_at = now(), outcome = $2, findings = $3, sealed_credential = NULL
        WHERE check_no = $1`,
      values: [checkNo, outcome, JSON.stringify(findings)],
    });
  });

async function promote(
  client: Client,
  checkNo: number,
  { organizationId, connectionId }: { organizationId: string; connectionId: string | null },
  expiresAt: string | undefined,
): Promise<void> {
  await run(client, { text: 'SAVEPOINT replacing' });
  const before = await takeActive(client, organizationId);
  if ((before?.id ?? null) !== connectionId) {
    await run(client, { text: 'ROLLBACK TO replacing' });
    return;
  }
  await run(client, {
    text: `INSERT INTO outhaul.connections (connection_no, connection_id, organization_id, tenant_id, client_id, cloud,
        sealed_credential, secret_expires_at, created_at, promoted_at)
      SELECT connection_no, coalesce($2, gen_random_uuid()), organization_id, tenant_id, client_id, cloud,
        sealed_credential, coalesce($4, secret_expires_at), coalesce($3, now()), now()
      FROM outhaul.connection_checks WHERE check_no = $1`,
    values: [checkNo, before?.id, before?.createdAt, expiresAt],
  });
}

/** How a check ended; undefined while it has not, or where it was discarded. */
export async function endedCheck(db: Database, checkNo: number): Promise<EndedCheck | undefined> {
  const [ended] = await query<EndedCheck>(db, {
    text: `SELECT k.ended_at AS "endedAt", k.outcome, k.findings, c.connection_no IS NOT NULL AS "isActive"
      FROM outhaul.connection_checks k
      LEFT JOIN outhaul.connections c ON c.connection_no = k.connection_no AND c.scan_no IS NULL
      WHERE k.check_no = $1 AND k.ended_at IS NOT NULL`,
    values: [checkNo],
  });
  return ended;
}

/** Forgets a check that nobody waits for any more, and its candidate with it. One that has ended stays. */
export async function discardCheck(db: Database, checkNo: number): Promise<void> {
  await query(db, {
    text: 'DELETE FROM outhaul.connection_checks WHERE check_no = $1 AND ended_at IS NULL',
    values: [checkNo],
  });
}
