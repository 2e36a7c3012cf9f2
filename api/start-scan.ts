import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Config } from '../config/config.ts';
import type { Connection } from '../model/connection.ts';
import { expiryWarning } from '../model/credential-expiry.ts';
import type { ScanFilters } from '../model/scan.ts';
import { recordAudit } from '../store/audit.ts';
import { listConnections } from '../store/connection-list.ts';
import { loadActive } from '../store/connections.ts';
import type { Database } from '../store/database.ts';
import { discardScan } from '../store/scan-end.ts';
import { addScan, scanOf } from '../store/scans.ts';
import { admit, OutcomeUnknown, turnedDown } from './admission.ts';
import { toCredential } from './credential.ts';
import { foundOrganization } from './environment-destinations.ts';
import { badRequest, conflict } from './errors.ts';
import type { ApiParts } from './parts.ts';
import type { Caller } from './route.ts';
import type { ScanConfig } from './schemas/scan-start.ts';
import { refuseForeign } from './scope.ts';

export interface StartedScan {
  readonly status: 'running' | 'pending';
  /** When it had its turn; while it waits for one, when it was asked for. */
  readonly startTime: string;
  /** What someone should look after, such as a credential that ends soon. */
  readonly warnings: readonly string[];
}

/**
 * Starts a scan: records it with the credential it brings, then starts its workflow and waits for the admission, so
 * that a refused credential is answered at once. A scan that is answered so is forgotten, and its id can be used again.
 *
 * Temporal keeps the workflow from the moment it is started, whether or not a worker is there to take it on. So when no
 * admission comes in time the scan is not lost: it is `pending`, and says in its status how it went on. Where Temporal
 * cannot even say whether the workflow was started, the scan is kept as well, and the caller told so.
 *
 * @throws {HttpError} 400 no connection, 404 another organization's, 422 credential refused, 503 something is away
 * @throws {ScanExists}
 */
export async function startScan(parts: ApiParts, wanted: ScanConfig, { principal, log }: Caller): Promise<StartedScan> {
  const { db, config } = parts;
  const { organizationId, scanId, mode } = wanted;
  refuseForeign(principal, organizationId);
  const candidate = await candidateFor(parts, wanted);
  await parts.workflows.version();
  await foundOrganization(parts, organizationId);
  const { actor } = principal;
  await recordAudit(db, { actor, organizationId, action: 'scan.start', target: scanId, details: { mode } });
  const filters = filtersOf(wanted.filters, config.mailboxAddresses);
  const { scanNo, requestedAt } = await addScan(db, {
    organizationId,
    scanId,
    mode,
    filters,
    status: 'pending',
    ...(candidate && { candidate }),
  });
  const ids = { organizationId, scanId, scanNo };
  const admission = await admit(parts, { ...ids, mode, filters }, log).catch(async (error: unknown) => {
    if (error instanceof OutcomeUnknown) throw error;
    await discardScan(db, scanNo);
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw conflict(
      `A workflow of an earlier scan ${scanId} still runs: try again in a minute, or choose another scanId`,
    );
  });
  if (admission.status === 'refused' || admission.status === 'unreachable') {
    await discardScan(db, scanNo);
    throw turnedDown(admission, ids, log);
  }
  log.info({ ...ids, mode, status: admission.status }, 'Scan started');
  const scan = await scanOf(db, organizationId, scanId).catch(() => undefined);
  const warnings = await expiryWarnings(db, organizationId).catch(() => []);
  for (const warning of warnings) log.warn(ids, warning);
  return { status: admission.status, startTime: scan?.startedAt ?? requestedAt, warnings };
}

async function expiryWarnings(db: Database, organizationId: string): Promise<string[]> {
  const connections = await listConnections(db, organizationId);
  return connections.flatMap((connection) => expiryWarning(connection, Date.now()) ?? []);
}

/**
 * The connection that the scan brings: that of the request, or the environment's where the organization has none yet.
 * Undefined where the organization's own is to be used.
 */
async function candidateFor({ db, config }: ApiParts, wanted: ScanConfig): Promise<Connection | undefined> {
  if (wanted.auth) {
    const { tenantId, clientId } = wanted.auth;
    return { tenantId, clientId, cloud: config.graph.cloud, credential: toCredential(wanted.auth) };
  }
  if (await loadActive(db, wanted.organizationId)) return undefined;
  const connection = defaultConnection(config);
  if (connection) return connection;
  throw badRequest([
    { path: 'config.auth.clientId', message: 'Client ID is required' },
    { path: 'config.auth.clientSecret', message: 'Client Secret is required' },
    { path: 'config.auth.tenantId', message: 'Tenant ID is required' },
  ]);
}

/** The connection that the environment names. */
export function defaultConnection({ connection, graph }: Config): Connection | undefined {
  if (!connection) return undefined;
  const { clientSecret, ...registration } = connection;
  return { ...registration, cloud: graph.cloud, credential: { kind: 'secret', clientSecret } };
}

/** The filters as the store keeps them; where no mailbox is named those of `MAILBOX_ADDRESS` are meant. */
export function filtersOf(
  { folders, mailboxes, since, until, content }: ScanConfig['filters'],
  defaultMailboxes: readonly string[],
): ScanFilters {
  const include = mailboxes?.include ?? (defaultMailboxes.length > 0 ? defaultMailboxes : undefined);
  const exclude = mailboxes?.exclude;
  return {
    folders,
    ...((include ?? exclude) && { mailboxes: { ...(include && { include }), ...(exclude && { exclude }) } }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    ...(content !== undefined && { content }),
  };
}
