import { describe, expect, it } from 'vitest';
import { createScheduleActivities } from '../../activities/schedule-activities.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { promoteCandidate } from '../../store/connections.ts';
import { finishScan } from '../../store/scan-end.ts';
import { addScan, scanByNo } from '../../store/scans.ts';
import { log, unique, useStore } from '../store/support.ts';

describe('a scan that is due', () => {
  const store = useStore();

  function stage() {
    const done: string[] = [];
    const schedules = {
      pause: async (organizationId: string, scheduleId: string, note: string) =>
        void done.push(`pause ${organizationId} ${scheduleId}: ${note}`),
      remove: async (organizationId: string, scheduleId: string) =>
        void done.push(`remove ${organizationId} ${scheduleId}`),
    };
    return { done, ...createScheduleActivities({ db: store.db, schedules, mailboxesAtOnce: 40, log }) };
  }
  const due = (organizationId: string, scanId = 'nightly-20261121T020000Z') => ({
    ...{ organizationId, scheduleId: 'nightly', scanId, mode: 'incremental' as const },
    filters: { folders: ['inbox'] },
  });

  async function connected(): Promise<string> {
    const organizationId = unique('scheduled');
    await ensureOrganization(store.db, organizationId);
    const { scanNo } = await addScan(store.db, {
      ...{ organizationId, scanId: 'first', mode: 'full', filters: { folders: [] }, status: 'pending' },
      candidate: {
        ...{ tenantId: 'contoso.example', clientId: 'client-id-0001', cloud: 'global' },
        credential: { kind: 'secret', clientSecret: 'secret-0001' },
      },
    });
    await promoteCandidate(store.db, scanNo);
    return organizationId;
  }

  it('is recorded once, however often that is tried', async () => {
    const organizationId = await connected();
    const activities = stage();
    const added = await activities.addScheduledScan(due(organizationId));
    expect(added).toEqual({ status: 'added', scanNo: expect.any(Number) as number, window: 40 });
    expect(await activities.addScheduledScan(due(organizationId))).toEqual(added);
    const { scanNo } = added as { scanNo: number };
    expect(await scanByNo(store.db, scanNo)).toMatchObject({
      ...{ scanId: 'nightly-20261121T020000Z', mode: 'incremental', status: 'pending' },
      filters: { folders: ['inbox'] },
    });
    const audit = await store.sql(
      `SELECT actor, action, target FROM outhaul.audit_log WHERE organization_id = $1 AND action = 'scan.start'`,
      [organizationId],
    );
    expect(audit).toEqual([{ actor: 'schedule:nightly', action: 'scan.start', target: 'nightly-20261121T020000Z' }]);
  });

  it('gets no second one where it has ended', async () => {
    const organizationId = await connected();
    const activities = stage();
    const added = await activities.addScheduledScan(due(organizationId));
    await finishScan(store.db, (added as { scanNo: number }).scanNo, { end: 'cancelled', maxConcurrent: 1 });
    expect(await activities.addScheduledScan(due(organizationId))).toEqual({ status: 'exists' });
    expect(activities.done).toEqual([]);
  });

  it('pauses its schedule where the organization has no connection', async () => {
    const organizationId = unique('unconnected');
    await ensureOrganization(store.db, organizationId);
    const activities = stage();
    expect(await activities.addScheduledScan(due(organizationId))).toEqual({ status: 'no_connection' });
    expect(activities.done).toEqual([
      `pause ${organizationId} nightly: The organization has no connection: make one, then resume the schedule`,
    ]);
  });

  it('takes its schedule away where the organization is gone', async () => {
    const organizationId = unique('gone');
    const activities = stage();
    expect(await activities.addScheduledScan(due(organizationId))).toEqual({ status: 'no_organization' });
    expect(activities.done).toEqual([`remove ${organizationId} nightly`]);
  });
});
