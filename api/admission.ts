import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Logger } from 'pino';
import type { ScanFilters, ScanMode } from '../model/scan.ts';
import type { ScanAdmission } from '../workflows/messages.ts';
import type { ScanTenantInput } from '../workflows/scan-tenant.ts';
import { HttpError } from './errors.ts';
import type { ApiParts } from './parts.ts';

/** A scan whose workflow is to be started. */
export interface ScanToAdmit {
  readonly organizationId: string;
  readonly scanId: string;
  readonly scanNo: number;
  readonly mode: ScanMode;
  readonly filters: ScanFilters;
  /** Where it opens a scan again: the latest step of the scan that has ended. */
  readonly reopensAfter?: number;
}

/** The ways an admission goes wrong that are somebody's fault. */
export type TurnedDown = Extract<ScanAdmission, { reason: string }>;

/** Temporal went away in the middle of a start: the scan's workflow may run, or not. */
export class OutcomeUnknown extends HttpError {
  constructor(scanId: string, cause: unknown) {
    super(
      503,
      `Temporal went away while scan ${scanId} was being started. Its status tells whether it goes on; where it stays ` +
        'pending for minutes, POST /api/v1/maintenance/detect-crashed sets it right and retry-failed opens it again',
      { cause },
    );
  }
}

/**
 * Starts a scan's workflow and waits for its admission. Temporal keeps the workflow from the moment it is started, whether
 * or not a worker is there to take it on: where none answers in time, the scan is admitted as `pending`.
 * @throws {WorkflowExecutionAlreadyStartedError} when a workflow of that scan runs already
 * @throws {OutcomeUnknown} when nobody can tell whether it was started
 * @throws whatever kept it from being started
 */
export async function admit(parts: ApiParts, scan: ScanToAdmit, log: Logger): Promise<ScanAdmission> {
  const { workflows, config, closing } = parts;
  const { organizationId, scanId, scanNo, mode, filters, reopensAfter } = scan;
  const input: ScanTenantInput = {
    ...{ organizationId, scanId, scanNo, window: config.mailboxesAtOnce },
    ...(reopensAfter !== undefined && { reopensAfter }),
  };
  try {
    return await workflows.admit({ input, mode, details: describeFilters(mode, filters) }, closing);
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) throw error;
    // Was it the start that failed, or only the wait for its answer? Temporal knows.
    const state = await workflows.describe({ organizationId, scanId }).catch(() => {
      throw new OutcomeUnknown(scanId, error);
    });
    // Of a scan that is opened again an earlier run is known, too.
    if (!state || (reopensAfter !== undefined && state.status !== 'RUNNING')) throw error;
    log.warn({ organizationId, scanId, scanNo, err: error }, 'The scan was started, and no worker has answered yet');
    return { status: 'pending' };
  }
}

/** What to answer for a scan that was turned down. */
export function turnedDown(
  { status, reason }: TurnedDown,
  { organizationId, scanId, scanNo }: Pick<ScanToAdmit, 'organizationId' | 'scanId' | 'scanNo'>,
  log: Logger,
): HttpError {
  const ids = { organizationId, scanId, scanNo };
  return refusedStart({ status, reason }, { what: 'the scan', ids, fields: { scanId }, log });
}

interface RefusedStart {
  /** What was not started. */
  readonly what: string;
  /** For the log. */
  readonly ids: object;
  /** Further members of the answer. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly log: Logger;
}

/** What to answer where the credential kept something from being started. */
export function refusedStart({ status, reason }: TurnedDown, { what, ids, fields, log }: RefusedStart): HttpError {
  if (status === 'refused') {
    log.warn({ ...ids, reason }, 'Credential validation failed');
    return new HttpError(422, 'Credential validation failed', {
      title: 'Invalid outlook_emails access credentials',
      fields: { ...fields, reason },
    });
  }
  log.warn({ ...ids, reason }, 'The credential could not be checked');
  return new HttpError(503, `Microsoft Entra or Graph did not answer; ${what} was not started`, {
    fields: { ...fields, reason },
  });
}

/** For the Temporal Web UI: counts only, for names of folders and mailboxes may be personal. */
function describeFilters(mode: string, { folders, mailboxes, since, until, content }: ScanFilters): string {
  const include = mailboxes?.include?.length;
  const exclude = mailboxes?.exclude?.length;
  return [
    `- mode: ${mode}`,
    `- folders: ${folders.length}`,
    `- mailboxes: ${include === undefined ? 'all' : `${include} named`}${exclude ? `, ${exclude} left out` : ''}`,
    ...(since !== undefined ? [`- since: ${since}`] : []),
    ...(until !== undefined ? [`- until: ${until}`] : []),
    ...(content !== undefined ? [`- content: ${content}`] : []),
  ].join('\n');
}
