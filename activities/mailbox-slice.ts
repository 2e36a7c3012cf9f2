import pLimit from 'p-limit';
import { GraphError } from '../graph/errors.ts';
import type { Graph } from '../graph/graph.ts';
import { contentOf, keepsAttachments } from '../model/content.ts';
import { URGENCY, type Urgency } from '../model/delivery.ts';
import { isPollId } from '../model/ids.ts';
import { MailboxPageLimit } from '../model/page-size.ts';
import type { BlobStore } from '../store/blobs/blob-store.ts';
import type { Database } from '../store/database.ts';
import type { Organization } from '../store/organizations.ts';
import { rememberPageLimit } from '../store/mailbox-memory.ts';
import { finishReading } from '../store/scan-mailboxes.ts';
import { lastMessageNo } from '../store/told.ts';
import type { Scan } from '../store/scans.ts';
import { Budget, type ByteBudget, type PageBudget } from './byte-budget.ts';
import { ContentsBeside, readContents, type ContentsReading } from './contents.ts';
import { attemptFolder } from './folder-attempt.ts';
import { FOLDERS_AT_ONCE, readFolder, type FolderEnd, type ReadingContext } from './folder-reader.ts';
import type { Lease } from './lease.ts';
import { readLive, type LiveSettings } from './live-read.ts';
import type { SliceResult } from './mailbox-activities.ts';
import { mailboxRefusal } from './mailbox-refusal.ts';
import { openFolders } from './open-folders.ts';
import type { Outbox } from './outbox.ts';
import { lookAgain, retryQuarantined, type QuarantineState } from './quarantine.ts';
import { readPolled } from './polled-read.ts';
import { reconcile, type ReadFolder } from './reconciliation.ts';
import { alike } from './scan-groups.ts';
import { settleMailbox } from './settlement.ts';

/** Pages of a mailbox being asked for or stored at a time: what a worker that is killed has read in vain. */
const PAGES_AT_ONCE = 3;

export interface SliceRequest {
  readonly db: Database;
  readonly organization: Organization;
  readonly graph: Graph;
  readonly mailboxId: string;
  readonly scans: readonly Scan[];
  readonly lease: Lease;
  readonly budget: ByteBudget;
  readonly outbox: Outbox;
  readonly blobs: BlobStore;
  readonly log: ContentsReading['log'];
  /** Messages asked for in one page where Graph can answer so many. */
  readonly pageSize: number;
  /** How a mailbox is read for a session. */
  readonly live?: Partial<LiveSettings> | undefined;
  /** Whether no later attempt would follow this error: what it struck is recorded as failed then. */
  givesUp(error: GraphError): boolean;
  /** Whether to ask for no further page. */
  timeIsUp(): boolean;
  /** Aborts when what runs is to be handed back: no further folder is begun. */
  readonly stopping: AbortSignal;
  onPage(messages: number): void;
}

/**
 * One slice of a mailbox: finds the wanted folders, tries again what is due in quarantine, reads the folders side by side
 * until they are finished or time is up, settles what vanished from them, and compares them with what Graph counts. What
 * is wrong with the mailbox as a whole ends it with a reason; one failing folder is recorded and the others go on. Without
 * a scan to serve, it is read for the organization's session, and what someone has asked to be tried again.
 * @throws {GraphError} of a kind that another attempt, or a person, may mend
 */
export async function readSlice(request: SliceRequest): Promise<Omit<SliceResult, 'messages'>> {
  const { db, organization, mailboxId, pageSize } = request;
  const { pageLimit: remembered, quarantined } = request.lease.memory;
  const pageLimit = new MailboxPageLimit(pageSize, remembered);
  const slice: Slice = {
    ...request,
    pageLimit,
    budget: request.budget.forReader(request.scans.length === 0 ? URGENCY.live : urgencyOf(request.scans)),
    pagesAtOnce: new Budget(PAGES_AT_ONCE),
    quarantine: { occupied: quarantined > 0 },
  };
  try {
    return await readAll(slice);
  } finally {
    await slice.outbox.settled();
    const { organizationId } = organization;
    const { toRemember } = pageLimit;
    const name = { organizationId, mailboxId };
    // Where this fails the next read finds out anew.
    if (toRemember !== remembered)
      await rememberPageLimit(db, { ...name, pageLimit: toRemember }).catch(() => undefined);
  }
}

/** A slice, with what its reads share: how large pages may be, and how many, and whether messages are in quarantine. */
interface Slice extends Omit<SliceRequest, 'budget'> {
  readonly budget: PageBudget;
  readonly pageLimit: MailboxPageLimit;
  readonly pagesAtOnce: Budget;
  readonly quarantine: QuarantineState;
}

async function readAll(slice: Slice): Promise<Omit<SliceResult, 'messages'>> {
  if (slice.scans.length === 0) {
    return { done: await readUnattended(slice), outcome: 'completed' };
  }
  let ending: Ending = { outcome: 'completed' };
  for (const scans of alike(slice.scans)) {
    const one = await readFor({ ...slice, scans });
    if (!one) return { done: false, outcome: 'completed' };
    if (ending.outcome === 'completed') ending = one;
  }
  return { done: true, ...ending };
}

type Ending = Pick<SliceResult, 'outcome' | 'reason'>;

/** Reads the mailbox for scans that want the same; undefined when the slice's time was up before the end. */
async function readFor(slice: Slice): Promise<Ending | undefined> {
  const { db, organization, scans, mailboxId } = slice;
  const read = { scanNos: scans.map(({ scanNo }) => scanNo), mailboxId, leaseToken: slice.lease.token };
  try {
    const live = {
      context: contextOf(slice, slice.lease.signal),
      givesUp: (error: GraphError) => slice.givesUp(error),
    };
    const ends = await readPolled(live, scans, (session) => readFolders(slice, scans, session));
    if (ends.includes('unfinished')) return undefined;
    const wantedBy = scans.flatMap(({ scanNo, filters }) => (keepsAttachments(contentOf(filters)) ? scanNo : []));
    if ((await readContents({ ...slice, ...live, wantedBy })) === 'unfinished') return undefined;
    const failed = ends.includes('failed');
    const ending = failed
      ? ({ outcome: 'failed', reason: 'folder_failed' } as const)
      : ({ outcome: 'completed' } as const);
    await finishReading(db, organization, { ...read, ...ending });
    return ending;
  } catch (error) {
    const reason = mailboxRefusal(error);
    if (!reason || !(error instanceof GraphError)) throw error;
    const { code, requestId } = error;
    await finishReading(db, organization, {
      ...read,
      outcome: 'skipped',
      reason,
      errorCode: code,
      ...(requestId !== undefined && { requestId }),
    });
    return { outcome: 'skipped', reason };
  }
}

async function readFolders(
  slice: Slice,
  [first]: readonly Scan[],
  session: ReadingContext['session'],
): Promise<(FolderEnd | 'failed')[]> {
  if (!first) return [];
  // A sibling's fatal error ends all of them: their time would be wasted.
  const failing = new AbortController();
  const common = contextOf(slice, AbortSignal.any([slice.lease.signal, failing.signal]));
  const context: ReadingContext = { ...common, ...(session && { session }) };
  const { wanted, folders, begun } = await openFolders(context, first.filters.folders);
  await retryQuarantined(context, folders);
  const failed = new Set<string>();
  const attempt = async <T>(folder: ReadFolder, work: () => Promise<T>): Promise<T | 'finished' | 'failed'> => {
    const end = await attemptFolder(context, folder, { work, givesUp: (error) => slice.givesUp(error) });
    if (end === 'failed') failed.add(folder.id);
    return end;
  };
  const limit = pLimit(FOLDERS_AT_ONCE);
  const settled = await Promise.allSettled(
    folders.map((folder) =>
      limit(async () => {
        context.signal.throwIfAborted();
        if (slice.stopping.aborted) return 'unfinished';
        return attempt(folder, () => readFolder(context, folder));
      }).catch((error: unknown) => {
        failing.abort(error);
        throw error;
      }),
    ),
  );
  if (failing.signal.aborted) throw failing.signal.reason;
  const ends = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  if (!ends.includes('unfinished')) {
    await lookAgain(context, folders);
    await settleMailbox(context, { readBefore: begun || folders.some(({ round }) => round.round > 1) });
    const read = wanted.filter(({ id }) => !failed.has(id));
    ends.push(await reconcile(context, read, { attempt, stopping: slice.stopping }));
  }
  return failed.size > 0 ? [...ends, 'failed'] : ends;
}

/** How long new mail waits at most while nothing but contents is read, ms. */
const LOOK_EVERY_MS = 250;

/**
 * Nobody waits for a report: what was asked for stands in the store. New mail comes first; what messages wait for is read
 * beside it. @returns whether all is done
 */
async function readUnattended(slice: Slice): Promise<boolean> {
  const ending = new AbortController();
  const context = contextOf(slice, AbortSignal.any([slice.lease.signal, ending.signal]));
  const givesUp = (error: GraphError): boolean => slice.givesUp(error);
  const newerThan = await lastMessageNo(slice.db, slice.organization);
  const contents = new ContentsBeside({ ...slice, context, givesUp }, newerThan);
  const live = { ...slice.live, givesUp, afterTurn: () => contents.readNew() };
  try {
    let done = await readLive(context, live);
    contents.readRest();
    await retryQuarantined(context, []);
    await settleMailbox(context, { readBefore: false });
    contents.readNew();
    while (done && !(await contents.endsWithin(LOOK_EVERY_MS))) done = await readLive(context, live);
    return (await contents.end()) === 'finished' && done;
  } finally {
    ending.abort(new Error('the slice has ended'));
    await contents.end().catch(() => undefined);
  }
}

function contextOf(slice: Slice, signal: AbortSignal): ReadingContext {
  const { db, organization, graph, mailboxId, scans, lease, budget, pageLimit, pagesAtOnce, quarantine, outbox } =
    slice;
  const [first] = scans;
  return {
    db,
    organization,
    mailbox: graph.mailbox(mailboxId, { permit: () => lease.assertHeld(), isAlone: () => lease.isAlone() }),
    mailboxAddress: lease.memory.address,
    leaseToken: lease.token,
    signal,
    budget,
    pageLimit,
    pagesAtOnce,
    quarantine,
    outbox,
    urgency: urgencyOf(scans),
    scanNos: scans.map(({ scanNo }) => scanNo),
    scanId: first?.scanId ?? null,
    mode: first?.mode ?? 'incremental',
    // Without a scan nothing more is asked for than is stored of a message, or kept of its folder.
    content: first ? contentOf(first.filters) : 'headers',
    since: first?.filters.since,
    until: first?.filters.until,
    timeIsUp: () => slice.timeIsUp(),
    onPage: (messages) => slice.onPage(messages),
  };
}

/** What somebody waits for is as good as new mail. */
const urgencyOf = (scans: readonly Scan[]): Urgency =>
  scans.some(({ scanId }) => isPollId(scanId)) ? URGENCY.live : URGENCY.scanned;
