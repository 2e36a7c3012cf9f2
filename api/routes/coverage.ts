import { coveragePage, coverageTotals, type CoveragePage } from '../../store/coverage.ts';
import { HARMLESS } from '../../store/scan-end.ts';
import type { Scan } from '../../store/scans.ts';
import { coverageCsv } from '../coverage-csv.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Route } from '../route.ts';
import { ScanParams } from '../schemas/common.ts';
import { Coverage, CoverageQuery } from '../schemas/coverage.ts';
import { findScan } from '../scope.ts';

/** Mailboxes read from the store at a time for an answer that has them all. */
const STRETCH = 500;

export const coverageRoutes = ({ db }: ApiParts): readonly Route[] => {
  /** The pages from here to the end. */
  async function* pagesOf(scan: Scan, incomplete: boolean): AsyncGenerator<CoveragePage> {
    for (let cursor: string | undefined; ;) {
      const page = await coveragePage(db, scan, { limit: STRETCH, cursor, incomplete, harmless: HARMLESS });
      yield page;
      if (page.nextCursor === null) return;
      cursor = page.nextCursor;
    }
  }
  return [
    route({
      method: 'get',
      path: '/api/v1/scan/{scanId}/coverage',
      tag: 'Scans',
      summary: 'What Graph holds, what is stored, what is left out and why',
      description:
        'Every mailbox of the tenant, those that were not read with the reason, and every folder that was read: as many ' +
        'messages as Graph counts are stored, in quarantine, left out by the times that the scan asked for, or unexplained, ' +
        'and those are named. As JSON, page by page, or as CSV, all at once.',
      access: 'key',
      params: ScanParams,
      query: CoverageQuery,
      answers: { 200: { description: 'The sums, and one page of mailboxes', schema: Coverage, csv: true } },
      errors: [404],
      async handle({ params: { scanId }, query, principal }) {
        const { limit, cursor, format } = query;
        const incomplete = query.incomplete === 'true';
        const scan = await findScan(db, principal, { scanId, organizationId: query.organizationId });
        if (format === 'csv') return { status: 200, csv: coverageCsv(pagesOf(scan, incomplete)) };
        const [totals, { mailboxes, nextCursor }] = await Promise.all([
          coverageTotals(db, scan),
          coveragePage(db, scan, { limit, cursor, incomplete, harmless: HARMLESS }),
        ]);
        const { organizationId, status } = scan;
        const pagination = { limit, nextCursor };
        return {
          status: 200,
          body: { success: true, scanId, organizationId, status, totals, mailboxes, pagination },
        };
      },
    }),
  ];
};
