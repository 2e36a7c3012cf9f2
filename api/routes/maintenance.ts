import { recordAudit } from '../../store/audit.ts';
import type { ApiParts } from '../parts.ts';
import { reviewScans } from '../review-scans.ts';
import { reviewSessions } from '../review-sessions.ts';
import { route, type Route } from '../route.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import { DetectCrashedQuery, ScansReviewed } from '../schemas/scans.ts';
import { organizationFor } from '../scope.ts';

export const maintenanceRoutes = (parts: ApiParts): readonly Route[] => [
  route({
    method: 'post',
    path: '/api/v1/maintenance/detect-crashed',
    tag: 'Maintenance',
    summary: 'Find crashed sessions, crashed and stalled scans, and set them right',
    description: "Looks at what the key's organization runs; an administrator's key at all organizations.",
    access: 'key',
    query: DetectCrashedQuery.extend(OrganizationQuery.shape),
    answers: { 200: { description: 'What was found and done', schema: ScansReviewed } },
    errors: [404],
    async handle({ query, principal, log }) {
      const { timeoutMinutes } = query;
      const organizationId = await organizationFor(parts.db, principal, query.organizationId);
      const { checked, crashed, stalled } = await reviewScans(parts, { organizationId, timeoutMinutes });
      const sessions = await reviewSessions(parts, organizationId);
      for (const { organizationId, scanId, status, action } of [...crashed, ...stalled]) {
        log.warn({ organizationId, scanId, status, action }, 'Scan set right');
      }
      for (const { organizationId, sessionId, status, action } of sessions.crashed) {
        log.warn({ organizationId, sessionId, status, action }, 'Session set right');
      }
      await recordAudit(parts.db, {
        actor: principal.actor,
        organizationId,
        action: 'maintenance.detect-crashed',
        details: {
          ...{ timeoutMinutes, crashed: crashed.length, stalled: stalled.length },
          crashedSessions: sessions.crashed.length,
        },
      });
      return { status: 200, body: { success: true, timeoutMinutes, checked, crashed, stalled, sessions } };
    },
  }),
];
