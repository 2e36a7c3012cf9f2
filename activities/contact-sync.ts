import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { AirtableRefused, AirtableUnavailable } from '../destinations/airtable/errors.ts';
import { syncTable } from '../destinations/airtable/sync.ts';
import { AirtableTable } from '../destinations/airtable/table.ts';
import type { AirtableTarget, ContactDifference, SyncCounts, SyncProgress } from '../model/contact-sync.ts';
import type { Contact } from '../model/contact.ts';
import { claimBase, releaseBase } from '../store/airtable-claims.ts';
import { contactChanges, countContacts, noteContactsSynced, startCounting } from '../store/contact-counting.ts';
import { NO_TARGET, type ContactPlan } from '../store/contact-plan.ts';
import { noteSyncProgress, saveDifferences, type ContactSync } from '../store/contact-syncs.ts';
import { contactMailboxes, listContacts, type ContactMailboxes } from '../store/contacts.ts';
import type { Database } from '../store/database.ts';
import type { Organization } from '../store/organizations.ts';

/** Where Airtable is, and how fast time goes there; for tests. */
export interface AirtablePace {
  readonly url?: string | undefined;
  readonly secondMs?: number | undefined;
  readonly penaltyMs?: number | undefined;
}

export interface ContactSyncRun {
  readonly db: Database;
  readonly organization: Organization;
  readonly sync: ContactSync;
  readonly plan: ContactPlan;
  readonly airtable: AirtablePace;
  readonly signal: AbortSignal;
}

const PAGE = 1_000;
/** What a dry run shows of the records that it would write. */
export const SHOWN_DIFFERENCES = 1_000;
const RENEWAL_MS = 10_000;
const CLAIM_PAUSE_MS = 1_000;
/** A base that others use for so long is not waited for. */
const CLAIM_PATIENCE_MS = 30 * 60_000;
/** Between two events of the same phase. */
const EVENT_MS = 1_000;

type SyncEnd = SyncProgress & { readonly phase: 'completed' | 'failed' };

/**
 * One sync from its beginning to its end: counts what sent mail has changed, waits for its turn at the base, and makes the
 * table say what was counted. An attempt that is lost is made up for by the next: it reads again what Airtable has.
 * @throws {AirtableUnavailable, StoreUnavailable}
 */
export async function runContactSync(run: ContactSyncRun): Promise<SyncEnd> {
  const { db, organization, sync, plan } = run;
  const report = reporterOf(run);
  const end = async (progress: SyncEnd): Promise<SyncEnd> => {
    await noteSyncProgress(db, sync.syncNo, progress);
    return progress;
  };
  const fail = (message: string): Promise<SyncEnd> => end({ phase: 'failed', message, done: 0, total: null });
  const { target } = plan;
  if (!target) return fail(NO_TARGET);
  await startCounting(db, organization);
  await countAll(db, organization, run.signal, report);
  const { mailboxes, unknown } = await contactMailboxes(db, organization, plan.mailboxes);
  if (mailboxes?.length === 0) return fail('None of the mailboxes whose sent items are to count is stored');
  const { changes } = await contactChanges(db, organization);
  try {
    const counts = await withBase(run, target, report, (signal) => write(run, { target, mailboxes, report, signal }));
    if (!sync.dryRun) await noteContactsSynced(db, organization, changes);
    return await end({
      phase: 'completed',
      message: summaryOf(counts, unknown.length, sync.dryRun),
      done: counts.contacts,
      total: counts.contacts,
      counts,
    });
  } catch (error) {
    if (error instanceof AirtableRefused) return fail(error.message);
    throw error;
  }
}

/** Counts until nothing is left to count. */
export async function countAll(
  db: Database,
  organization: Organization,
  signal: AbortSignal,
  report?: Report,
): Promise<void> {
  for (let done = 0; ;) {
    signal.throwIfAborted();
    const { status, mails } = await countContacts(db, organization);
    done += mails;
    if (status !== 'more') return;
    await report?.({ phase: 'counting', message: `Counted ${done} sent mails`, done, total: null });
  }
}

type Report = (progress: SyncProgress) => Promise<void>;

/** Stores what happens, of each phase at most once a second. */
function reporterOf({ db, sync }: ContactSyncRun): Report {
  let last: { readonly phase: string; readonly at: number } | undefined;
  return async (progress) => {
    const now = performance.now();
    if (last?.phase === progress.phase && now - last.at < EVENT_MS) return;
    last = { phase: progress.phase, at: now };
    await noteSyncProgress(db, sync.syncNo, progress);
  };
}

interface Writing {
  readonly target: AirtableTarget;
  readonly mailboxes: ContactMailboxes;
  readonly report: Report;
  readonly signal: AbortSignal;
}

async function write(
  { db, organization, sync, plan, airtable }: ContactSyncRun,
  writing: Writing,
): Promise<SyncCounts> {
  const { target, mailboxes, report, signal } = writing;
  const { columns } = plan;
  const table = new AirtableTable({
    ...target,
    ...airtable,
    columns: Object.values(columns) as string[],
    onPenalty: (ms) =>
      report({ phase: 'waiting', message: `Airtable wants to be left alone for ${ms / 1000} s`, done: 0, total: null }),
  });
  const differences: ContactDifference[] = [];
  try {
    const counts = await syncTable({
      table,
      columns,
      contacts: allContacts(db, organization, mailboxes),
      dryRun: sync.dryRun,
      onProgress: report,
      onDifference: (difference) => {
        if (sync.dryRun && differences.length < SHOWN_DIFFERENCES) differences.push(difference);
      },
      signal,
    });
    if (sync.dryRun) await saveDifferences(db, organization, sync.syncNo, differences);
    return counts;
  } finally {
    await table.close();
  }
}

async function* allContacts(
  db: Database,
  organization: Organization,
  mailboxes: ContactMailboxes,
): AsyncGenerator<readonly Contact[]> {
  let after: string | undefined = '';
  while (after !== undefined) {
    const page: Contact[] = await listContacts(db, organization, { mailboxes, after, limit: PAGE });
    if (page.length > 0) yield page;
    after = page.at(-1)?.address;
  }
}

/** Does the work while nobody else asks the base; the claim is renewed meanwhile, and the work ends with it. */
async function withBase<Result>(
  { db, signal }: ContactSyncRun,
  { baseId }: AirtableTarget,
  report: Report,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const claim = { baseId, token: randomUUID() };
  const patienceEnds = performance.now() + CLAIM_PATIENCE_MS;
  while (!(await claimBase(db, claim))) {
    signal.throwIfAborted();
    if (performance.now() > patienceEnds) throw new AirtableUnavailable('The base is used by other syncs all the time');
    await report({ phase: 'waiting', message: 'Another sync uses the base', done: 0, total: null });
    await pause(CLAIM_PAUSE_MS);
  }
  const lost = new AbortController();
  const lose = (cause?: unknown): void =>
    lost.abort(new AirtableUnavailable('Another sync has taken the base over', { cause }));
  const renewal = setInterval(() => {
    claimBase(db, claim).then((held) => (held ? undefined : lose()), lose);
  }, RENEWAL_MS);
  try {
    return await work(AbortSignal.any([signal, lost.signal]));
  } finally {
    clearInterval(renewal);
    // Where this fails the claim ends by itself.
    await releaseBase(db, claim).catch(() => undefined);
  }
}

function summaryOf(
  { contacts, added, changed, unchanged, duplicates }: SyncCounts,
  unknown: number,
  dryRun: boolean,
): string {
  const parts = [
    `${contacts} contacts: ${added} ${dryRun ? 'would be ' : ''}added, ${changed} ${dryRun ? 'would be ' : ''}changed, ${unchanged} unchanged`,
    ...(duplicates > 0 ? [`${duplicates} records left alone, for an older one has the same address`] : []),
    ...(unknown > 0 ? [`${unknown} of the names of mailboxes ${unknown === 1 ? 'is' : 'are'} nobody's`] : []),
  ];
  return parts.join('; ');
}
