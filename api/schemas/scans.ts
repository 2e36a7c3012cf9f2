import { z } from 'zod';
import { SESSION_STATUSES } from '../../model/session.ts';
import { CONTENTS } from '../../model/content.ts';
import { SCAN_MODES, SCAN_STATUSES } from '../../model/scan.ts';
import { contents, differences } from './coverage.ts';
import { Count, OrganizationId, ScanId, Success, Time, wholeNumberOr } from './common.ts';

const Status = z.enum(SCAN_STATUSES);
const Mode = z.enum(SCAN_MODES);

export const ScanState = z
  .strictObject({
    success: Success,
    scanId: ScanId,
    organizationId: OrganizationId,
    status: Status,
    mode: Mode,
    startTime: Time.meta({ description: 'When it had its turn; before that when it was asked for' }),
    endTime: Time.nullable(),
    recordsExtracted: Count.meta({ description: 'Messages stored' }),
    mailboxes: z.strictObject({
      total: Count,
      running: Count,
      completed: Count,
      failed: Count,
      skipped: Count,
    }),
    differences: z
      .strictObject(differences)
      .meta({ description: 'What it found otherwise than it was stored, in messages; by folder in its coverage' }),
    content: z.enum(CONTENTS).meta({ description: 'What is kept of a message' }),
    contents: z
      .strictObject(contents)
      .nullable()
      .meta({ description: 'What there is beside messages; null where the scan keeps nothing beside them' }),
    messagesPerSecond: z.number().min(0),
    etaSeconds: Count.nullable().meta({ description: 'Null while nothing can be said' }),
    errorMessage: z.string().nullable(),
    checkpointInfo: z.strictObject({
      phase: z.enum(['pending', 'mailboxes', 'emails', 'emails_completed']),
      recordsProcessed: Count,
      updatedAt: Time.nullable(),
      running: z.array(
        z.strictObject({
          mailbox: z.string().meta({ description: "The mailbox's directory id" }),
          folder: z.string().nullable(),
          recordsProcessed: Count,
        }),
      ),
    }),
    workflow: z.strictObject({
      id: z.string().meta({ example: 'scan/contoso/contoso-2026-11' }),
      runId: z.string().nullable().meta({ description: 'Null while Temporal is out of reach' }),
      url: z
        .string()
        .nullable()
        .meta({ description: 'In the Temporal Web UI; null where `TEMPORAL_UI_URL` is not set' }),
    }),
  })
  .meta({
    id: 'ScanState',
    example: {
      success: true,
      scanId: 'contoso-2026-11',
      organizationId: 'contoso',
      status: 'running',
      mode: 'full',
      startTime: '2026-11-21T09:00:00.000Z',
      endTime: null,
      recordsExtracted: 120_000,
      mailboxes: { total: 80, running: 20, completed: 40, failed: 0, skipped: 3 },
      differences: { added: 118_000, changed: 1950, moved: 40, deleted: 12, restored: 0 },
      content: 'full',
      contents: null,
      messagesPerSecond: 2400.5,
      etaSeconds: 55,
      errorMessage: null,
      checkpointInfo: {
        phase: 'emails',
        recordsProcessed: 120_000,
        updatedAt: '2026-11-21T09:00:49.000Z',
        running: [{ mailbox: '0f6c2a1e-5f0e-4c6e-9d3a-2b7c1d4e5f60', folder: 'inbox', recordsProcessed: 1500 }],
      },
      workflow: {
        id: 'scan/contoso/contoso-2026-11',
        runId: '7d1f9c52-5f0e-4c6e-9d3a-2b7c1d4e5f60',
        url: 'http://localhost:8233/namespaces/default/workflows/scan%2Fcontoso%2Fcontoso-2026-11',
      },
    },
  });

export const ScanCancelled = z
  .strictObject({
    success: Success,
    scanId: ScanId,
    organizationId: OrganizationId,
    status: z.literal('cancelling'),
    message: z.string(),
  })
  .meta({ id: 'ScanCancelled' });

export const ScanControlled = z
  .strictObject({
    success: Success,
    scanId: ScanId,
    organizationId: OrganizationId,
    status: Status.meta({ description: 'How the scan stands now' }),
    message: z.string(),
  })
  .meta({ id: 'ScanControlled' });

export const ScanStatistics = z
  .strictObject({
    success: Success,
    organizationId: OrganizationId.nullable().meta({ description: 'Null: of all organizations' }),
    scans: z.strictObject(Object.fromEntries(SCAN_STATUSES.map((status) => [status, Count]))),
    total: Count,
    records: Count,
    running: Count,
    last24Hours: z.strictObject({ scans: Count, records: Count }),
  })
  .meta({ id: 'ScanStatistics' });

export const ScansQuery = z.object({
  organizationId: OrganizationId.optional().meta({
    description: 'For administrators; left out: the scans of all organizations',
  }),
  limit: wholeNumberOr(100, 1, 1000, 'Scans to answer'),
  offset: wholeNumberOr(0, 0, 1_000_000_000, 'Scans to leave out before them'),
});

export const ScanList = z
  .strictObject({
    success: Success,
    scans: z.array(
      z.strictObject({
        scanId: ScanId,
        organizationId: OrganizationId,
        mode: Mode,
        status: Status,
        requestedAt: Time,
        startTime: Time.nullable(),
        endTime: Time.nullable(),
        recordsExtracted: Count,
        errorMessage: z.string().nullable(),
      }),
    ),
    pagination: z.strictObject({ limit: Count, offset: Count, total: Count, hasMore: z.boolean() }),
  })
  .meta({ id: 'ScanList' });

export const DetectCrashedQuery = z.object({
  timeoutMinutes: wholeNumberOr(10, 1, 10_080, 'Minutes without progress after which a scan counts as stalled'),
});

const Reviewed = z.strictObject({
  scanId: ScanId,
  organizationId: OrganizationId,
  status: Status.meta({ description: 'Its status now' }),
  lastProgressAt: Time.nullable(),
  action: z.string().meta({ description: 'What was found and done' }),
});

export const ScansReviewed = z
  .strictObject({
    success: Success,
    timeoutMinutes: Count,
    checked: Count.meta({ description: 'Scans that had not ended' }),
    crashed: z.array(Reviewed).meta({ description: 'The store called them running, Temporal did not' }),
    stalled: z.array(Reviewed).meta({ description: 'Temporal runs them, but they have not moved for so long' }),
    sessions: z.strictObject({
      checked: Count.meta({ description: 'Sessions that had not ended' }),
      crashed: z
        .array(
          z.strictObject({
            sessionId: z.string(),
            organizationId: OrganizationId,
            status: z.enum(SESSION_STATUSES),
            startedAt: Time,
            action: z.string().meta({ description: 'What was found and done' }),
          }),
        )
        .meta({ description: 'The store called them running, Temporal did not' }),
    }),
  })
  .meta({ id: 'ScansReviewed' });
