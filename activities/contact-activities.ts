import { Context } from '@temporalio/activity';
import type { SyncCause } from '../model/contact-sync.ts';
import { recordAudit } from '../store/audit.ts';
import { contactChanges, forgetCountingWoken } from '../store/contact-counting.ts';
import { contactPlan, type ContactDefaults } from '../store/contact-plan.ts';
import { addContactSync, beginContactSync, forgetContactSync, noteSyncProgress } from '../store/contact-syncs.ts';
import type { Database } from '../store/database.ts';
import { organizationOf } from '../store/organizations.ts';
import { countAll, runContactSync, type AirtablePace } from './contact-sync.ts';
import { whileBeating } from './heartbeat.ts';

/** What `syncContacts` has done for it outside. */
export interface ContactActivities {
  /** Runs a sync that was recorded. One that Airtable refuses has failed, and that is recorded: it is no error here. */
  syncWithAirtable(input: {
    organizationId: string;
    syncNo: number;
  }): Promise<{ status: 'completed' | 'failed' | 'over' }>;
  /** Counts what sent mail has changed; records a sync where that is to be told to Airtable, and somebody has begun with it. */
  addChangeSync(input: { organizationId: string }): Promise<{ syncNo: number | null }>;
  /** Records a sync that is due by the Schedule, and has it run. */
  addScheduledSync(input: { organizationId: string }): Promise<void>;
  /** Records that a sync has failed for good. */
  failContactSync(input: { syncNo: number; reason: string }): Promise<void>;
}

export interface ContactActivitiesOptions {
  readonly db: Database;
  readonly defaults: ContactDefaults;
  /** Airtable's address and pace. */
  readonly airtable: AirtablePace;
  /** Has the organization's workflow run a sync. */
  readonly ask: (organizationId: string, syncNo: number) => Promise<void>;
  readonly log: { info(fields: object, message: string): void };
}

export function createContactActivities({
  db,
  defaults,
  airtable,
  ask,
  log,
}: ContactActivitiesOptions): ContactActivities {
  const add = async (organizationId: string, startedBy: SyncCause): Promise<number> => {
    const { syncNo, syncId } = await addContactSync(db, organizationId, { dryRun: false, startedBy });
    await recordAudit(db, {
      actor: 'system',
      organizationId,
      action: 'contacts.sync',
      target: syncId,
      details: { startedBy },
    });
    return syncNo;
  };
  return {
    syncWithAirtable: ({ organizationId, syncNo }) =>
      whileBeating(async () => {
        const { cancellationSignal: signal } = Context.current();
        const sync = await beginContactSync(db, syncNo);
        if (!sync) return { status: 'over' as const };
        const organization = await organizationOf(db, organizationId);
        const plan = await contactPlan(db, organizationId, defaults);
        const end = await runContactSync({ db, organization, sync, plan, airtable, signal });
        log.info({ organizationId, syncNo, dryRun: sync.dryRun, status: end.phase, ...end.counts }, 'Contacts synced');
        return { status: end.phase };
      }),

    addChangeSync: ({ organizationId }) =>
      whileBeating(async () => {
        const organization = await organizationOf(db, organizationId);
        await forgetCountingWoken(db, organization);
        await countAll(db, organization, Context.current().cancellationSignal);
        const { changes, synced } = await contactChanges(db, organization);
        const { target, onChange } = await contactPlan(db, organizationId, defaults);
        const wanted = synced !== null && changes > synced && onChange && target !== undefined;
        return { syncNo: wanted ? await add(organizationId, 'change') : null };
      }),

    async addScheduledSync({ organizationId }) {
      const syncNo = await add(organizationId, 'schedule');
      await ask(organizationId, syncNo).catch(async (error: unknown) => {
        await forgetContactSync(db, syncNo);
        throw error;
      });
    },

    async failContactSync({ syncNo, reason }) {
      await noteSyncProgress(db, syncNo, { phase: 'failed', message: reason, done: 0, total: null });
    },
  };
}
