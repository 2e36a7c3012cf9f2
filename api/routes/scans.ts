import { contentOf, keepsAttachments } from '../../model/content.ts';
import { mailboxTotals } from '../../store/mailbox-totals.ts';
import { organizationOf } from '../../store/organizations.ts';
import { contentsOfScan } from '../../store/scan-contents.ts';
import { scanDifferences } from '../../store/scan-differences.ts';
import { statistics } from '../../store/scan-figures.ts';
import { listScans } from '../../store/scan-list.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Route } from '../route.ts';
import { OrganizationQuery, ScanParams } from '../schemas/common.ts';
import { ScanStart, ScanStarted } from '../schemas/scan-start.ts';
import { ScanList, ScanState, ScanStatistics, ScansQuery } from '../schemas/scans.ts';
import { runIdOf, stateOf, workflowOf } from '../scan-state.ts';
import { findScan, organizationFor } from '../scope.ts';
import { startScan } from '../start-scan.ts';

export const scanRoutes = (parts: ApiParts): readonly Route[] => [
  startRoute(parts),
  statusRoute(parts),
  statisticsRoute(parts),
  listRoute(parts),
];

const startRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: '/api/v1/scan/start',
    tag: 'Scans',
    summary: 'Start a scan',
    description: 'Answers once the credential was tried, which takes a few seconds.',
    access: 'key',
    body: ScanStart,
    answers: { 202: { description: 'It runs, or waits for its turn', schema: ScanStarted } },
    errors: [404, 409, 413, 422],
    async handle({ body: { config }, ...caller }) {
      const { status, startTime, warnings } = await startScan(parts, config, caller);
      const message = 'outlook_emails extraction scan initiated successfully';
      const warned = warnings.length > 0 && { warnings };
      return { status: 202, body: { success: true, scanId: config.scanId, status, startTime, message, ...warned } };
    },
  });

const statusRoute = ({ db, workflows, config }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/api/v1/scan/{scanId}/status',
    tag: 'Scans',
    summary: 'How a scan stands',
    access: 'key',
    params: ScanParams,
    query: OrganizationQuery,
    answers: { 200: { description: 'Its status and progress', schema: ScanState } },
    errors: [404],
    async handle({ params: { scanId }, query: { organizationId }, principal }) {
      const scan = await findScan(db, principal, { scanId, organizationId });
      const keeps = keepsAttachments(contentOf(scan.filters));
      const [totals, differences, contents, runId] = await Promise.all([
        mailboxTotals(db, scan.scanNo),
        scanDifferences(db, scan.scanNo),
        keeps ? contentsOfScan(db, await organizationOf(db, scan.organizationId), scan.scanNo) : null,
        runIdOf(workflows, scan),
      ]);
      const workflow = workflowOf(scan, runId, config.temporal);
      const state = stateOf(scan, totals, new Date());
      return { status: 200, body: { success: true, ...state, differences, contents, workflow } };
    },
  });

const statisticsRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/api/v1/scan/statistics',
    tag: 'Scans',
    summary: 'Scans in numbers',
    access: 'key',
    query: OrganizationQuery,
    answers: { 200: { description: "Of the key's organization; an administrator's of all", schema: ScanStatistics } },
    errors: [404],
    async handle({ query, principal }) {
      const organizationId = await organizationFor(db, principal, query.organizationId);
      return { status: 200, body: { success: true, organizationId, ...(await statistics(db, organizationId)) } };
    },
  });

const listRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/api/v1/scans',
    tag: 'Scans',
    summary: 'List scans, newest first',
    access: 'key',
    query: ScansQuery,
    answers: { 200: { description: 'One page of them', schema: ScanList } },
    errors: [404],
    async handle({ query: { limit, offset, ...query }, principal }) {
      const organizationId = await organizationFor(db, principal, query.organizationId);
      const { scans, total } = await listScans(db, { organizationId, limit, offset });
      const page = scans.map((scan) => ({
        scanId: scan.scanId,
        organizationId: scan.organizationId,
        mode: scan.mode,
        status: scan.status,
        requestedAt: scan.requestedAt,
        startTime: scan.startedAt,
        endTime: scan.endedAt,
        recordsExtracted: scan.records,
        errorMessage: scan.errorMessage,
      }));
      const pagination = { limit, offset, total, hasMore: offset + page.length < total };
      return { status: 200, body: { success: true, scans: page, pagination } };
    },
  });
