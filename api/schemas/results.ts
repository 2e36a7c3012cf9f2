import { z } from 'zod';
import { RESULT_TABLES } from '../../store/results.ts';
import { Count, OrganizationId, OrganizationQuery, ScanId, Success, wholeNumber, wholeNumberOr } from './common.ts';

const TableName = z.enum(RESULT_TABLES, { error: `must be one of ${RESULT_TABLES.join(', ')}` });

export const ResultTables = z
  .strictObject({
    success: Success,
    scanId: ScanId,
    organizationId: OrganizationId,
    data: z.strictObject({
      tables: z.array(z.strictObject({ name: TableName, rowCount: Count, columns: z.array(z.string()) })),
    }),
  })
  .meta({ id: 'ResultTables' });

export const RowsQuery = OrganizationQuery.extend({
  tableName: TableName,
  limit: wholeNumberOr(100, 1, 1000, 'Rows to answer'),
  offset: wholeNumber(0, 1_000_000_000, 'Rows to leave out before them; default 0').optional(),
  cursor: z
    .string()
    .min(1, 'must not be empty')
    .max(1000, 'must have at most 1000 characters')
    .optional()
    .meta({ description: 'The `nextCursor` of the answer before, instead of `offset`: deep pages cost the same' }),
}).refine(({ offset, cursor }) => offset === undefined || cursor === undefined, {
  path: ['cursor'],
  error: 'give either offset or cursor, not both',
});

export const ResultRows = z
  .strictObject({
    success: Success,
    scanId: ScanId,
    organizationId: OrganizationId,
    data: z.strictObject({
      tableName: TableName,
      records: z.array(z.record(z.string(), z.unknown())).meta({ description: 'Rows as they are in the table' }),
      pagination: z.strictObject({
        limit: Count,
        offset: Count.nullable(),
        total: Count,
        hasMore: z.boolean(),
        nextCursor: z.string().nullable(),
      }),
    }),
  })
  .meta({
    id: 'ResultRows',
    example: {
      success: true,
      scanId: 'contoso-2026-11',
      organizationId: 'contoso',
      data: {
        tableName: 'mailboxes',
        records: [{ id: '0f6c2a1e-5f0e-4c6e-9d3a-2b7c1d4e5f60', mail: 'legal@contoso.example', account_enabled: true }],
        pagination: { limit: 1, offset: 0, total: 80, hasMore: true, nextCursor: 'bWFpbGJveGVzOjE' },
      },
    },
  });
