import type { ScheduledScan } from '../model/schedule.ts';
import { recordAudit } from '../store/audit.ts';
import { loadActive } from '../store/connections.ts';
import type { Database } from '../store/database.ts';
import { ScanExists, UnknownOrganization } from '../store/errors.ts';
import { organizationExists } from '../store/organizations.ts';
import { addScan, scanOf } from '../store/scans.ts';

/** What became of a scan that was due: recorded, with what its workflow is to be given, or why it was not. */
export type AddedScan =
  | { readonly status: 'added'; readonly scanNo: number; readonly window: number }
  | { readonly status: 'exists' | 'no_connection' | 'no_organization' };

/** What `startScheduledScan` has done for it outside. */
export interface ScheduleActivities {
  /**
   * Records a scan that is due. Again, it gives the same; where a scan of that id has begun, it is `exists`. A schedule
   * whose organization has no connection (any more) is paused with a note, one whose organization is gone is removed.
   */
  addScheduledScan(input: ScheduledScan & { readonly scanId: string }): Promise<AddedScan>;
}

/** Schedules as those that they start see them. What is not there needs neither. */
export interface OwnSchedule {
  pause(organizationId: string, scheduleId: string, note: string): Promise<void>;
  remove(organizationId: string, scheduleId: string): Promise<void>;
}

export interface ScheduleActivitiesOptions {
  readonly db: Database;
  readonly schedules: OwnSchedule;
  /** Mailboxes that a scan reads at once. */
  readonly mailboxesAtOnce: number;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

const NO_CONNECTION = 'The organization has no connection: make one, then resume the schedule';

export function createScheduleActivities({
  db,
  schedules,
  mailboxesAtOnce: window,
  log,
}: ScheduleActivitiesOptions): ScheduleActivities {
  return {
    async addScheduledScan({ organizationId, scheduleId, scanId, mode, filters }) {
      const ids = { organizationId, scheduleId, scanId };
      try {
        if (!(await organizationExists(db, organizationId))) throw new UnknownOrganization(organizationId);
        if (!(await loadActive(db, organizationId))) {
          log.warn(ids, 'A scan was due, and its organization has no connection: its schedule is paused');
          await schedules.pause(organizationId, scheduleId, NO_CONNECTION);
          return { status: 'no_connection' };
        }
        const { scanNo } = await addScan(db, { organizationId, scanId, mode, filters, status: 'pending' });
        const actor = `schedule:${scheduleId}`;
        await recordAudit(db, { actor, organizationId, action: 'scan.start', target: scanId, details: { mode } });
        log.info({ ...ids, scanNo, mode }, 'Scan due');
        return { status: 'added', scanNo, window };
      } catch (error) {
        if (error instanceof ScanExists) return existing(db, ids, window);
        if (!(error instanceof UnknownOrganization)) throw error;
        log.warn(ids, 'A scan was due, and its organization is gone: its schedule is removed');
        await schedules.remove(organizationId, scheduleId);
        return { status: 'no_organization' };
      }
    },
  };
}

/** One that has not begun is what an attempt has added whose answer was lost. */
async function existing(
  db: Database,
  { organizationId, scanId }: { readonly organizationId: string; readonly scanId: string },
  window: number,
): Promise<AddedScan> {
  const scan = await scanOf(db, organizationId, scanId);
  const waits = scan?.status === 'pending' && scan.startedAt === null;
  return waits ? { status: 'added', scanNo: scan.scanNo, window } : { status: 'exists' };
}
