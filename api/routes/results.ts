import { resultRows, resultTables } from '../../store/results.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Route } from '../route.ts';
import { OrganizationQuery, ScanParams } from '../schemas/common.ts';
import { ResultRows, ResultTables, RowsQuery } from '../schemas/results.ts';
import { findScan } from '../scope.ts';

export const resultRoutes = ({ db }: ApiParts): readonly Route[] => [
  route({
    method: 'get',
    path: '/api/v1/results/{scanId}/tables',
    tag: 'Results',
    summary: 'What a scan has stored',
    access: 'key',
    params: ScanParams,
    query: OrganizationQuery,
    answers: { 200: { description: 'Tables, their columns and how many rows the scan saw', schema: ResultTables } },
    errors: [404],
    async handle({ params: { scanId }, query: { organizationId: named }, principal }) {
      const scan = await findScan(db, principal, { scanId, organizationId: named });
      const { organizationId } = scan;
      const tables = await resultTables(db, scan);
      return { status: 200, body: { success: true, scanId, organizationId, data: { tables } } };
    },
  }),
  route({
    method: 'get',
    path: '/api/v1/results/{scanId}/data',
    tag: 'Results',
    summary: 'Rows that a scan saw',
    description: 'In a stable order, page by page: by `offset`, or by `cursor` for deep reading.',
    access: 'key',
    params: ScanParams,
    query: RowsQuery,
    answers: { 200: { description: 'One page of rows', schema: ResultRows } },
    errors: [404],
    async handle({ params: { scanId }, query, principal }) {
      const { tableName, limit, offset, cursor } = query;
      const scan = await findScan(db, principal, { scanId, organizationId: query.organizationId });
      const { organizationId } = scan;
      const { records, pagination } = await resultRows(db, scan, tableName, {
        limit,
        ...(offset !== undefined && { offset }),
        ...(cursor !== undefined && { cursor }),
      });
      return {
        status: 200,
        body: { success: true, scanId, organizationId, data: { tableName, records, pagination } },
      };
    },
  }),
];
