import type { ScanStatus } from '../../model/scan.ts';
import { recordAudit } from '../../store/audit.ts';
import type { Scan } from '../../store/scans.ts';
import type { ApiParts } from '../parts.ts';
import { retryFailed } from '../retry-failed.ts';
import { route, type Caller, type Route } from '../route.ts';
import { cancelScan, messageOf, setPaused, type ScanControl } from '../scan-controls.ts';
import { OrganizationQuery, ScanParams } from '../schemas/common.ts';
import { ScanCancelled, ScanControlled } from '../schemas/scans.ts';
import { findScan } from '../scope.ts';

export const scanControlRoutes = (parts: ApiParts): readonly Route[] => [
  cancelRoute(parts),
  pauseRoute(parts),
  resumeRoute(parts),
  retryFailedRoute(parts),
];

const cancelRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: '/api/v1/scan/{scanId}/cancel',
    tag: 'Scans',
    summary: 'Cancel a scan',
    description: 'What is stored stays. Asking again while it is being cancelled changes nothing.',
    access: 'key',
    params: ScanParams,
    query: OrganizationQuery,
    answers: { 202: { description: 'It is being cancelled', schema: ScanCancelled } },
    errors: [404, 409],
    async handle({ params, query, ...caller }) {
      const scan = await findScan(parts.db, caller.principal, { ...params, organizationId: query.organizationId });
      const { organizationId, scanId } = scan;
      await cancelScan(parts, scan);
      await record(parts, scan, 'cancel', caller);
      const message = `Scan ${scanId} is being cancelled; what it has stored stays`;
      return { status: 202, body: { success: true, scanId, organizationId, status: 'cancelling', message } };
    },
  });

const pauseRoute = (parts: ApiParts): Route =>
  controlRoute(parts, {
    control: 'pause',
    summary: 'Pause a scan',
    description:
      'Graph is left alone within seconds, what is stored stays, and another scan may take the turn. A paused scan stays so, whatever is restarted, until it is resumed or cancelled.',
    act: (scan) => setPaused(parts, scan, true),
  });

const resumeRoute = (parts: ApiParts): Route =>
  controlRoute(parts, {
    control: 'resume',
    summary: 'Resume a paused scan',
    description: 'It goes on where it was, as soon as fewer than `MAX_CONCURRENT_SCANS` run.',
    act: (scan) => setPaused(parts, scan, false),
  });

const retryFailedRoute = (parts: ApiParts): Route =>
  controlRoute(parts, {
    control: 'retry-failed',
    summary: 'Try again what a scan that has ended did not read',
    description:
      'Opens the scan again: mailboxes that failed or were denied, and those that an early end left over, are read, in them the folders that were not completed. Answers once the credential was tried.',
    errors: [422],
    act: (scan, { log }) => retryFailed(parts, scan, log),
  });

interface ControlText {
  readonly control: ScanControl;
  readonly summary: string;
  readonly description: string;
  readonly errors?: readonly number[];
  /** Returns how the scan stands afterwards. */
  readonly act: (scan: Scan, caller: Caller) => Promise<ScanStatus>;
}

/** A control that answers how the scan stands. Using it again changes nothing and answers the same. */
const controlRoute = (parts: ApiParts, { control, summary, description, errors = [], act }: ControlText): Route =>
  route({
    method: 'post',
    path: `/api/v1/scan/{scanId}/${control}`,
    tag: 'Scans',
    summary,
    description,
    access: 'key',
    params: ScanParams,
    query: OrganizationQuery,
    answers: { 202: { description: 'How the scan stands', schema: ScanControlled } },
    errors: [404, 409, ...errors],
    async handle({ params, query, ...caller }) {
      const scan = await findScan(parts.db, caller.principal, { ...params, organizationId: query.organizationId });
      const { organizationId, scanId } = scan;
      const status = await act(scan, caller);
      await record(parts, scan, control, caller);
      const message = messageOf(control, scanId, status);
      return { status: 202, body: { success: true, scanId, organizationId, status, message } };
    },
  });

async function record({ db }: ApiParts, scan: Scan, control: ScanControl, { principal, log }: Caller): Promise<void> {
  const { organizationId, scanId, scanNo } = scan;
  log.info({ organizationId, scanId, scanNo, control }, 'Scan controlled');
  await recordAudit(db, { actor: principal.actor, organizationId, action: `scan.${control}`, target: scanId });
}
