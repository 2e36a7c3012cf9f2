import pLimit from 'p-limit';
import { GraphError } from '../graph/errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { MailboxReason } from '../model/scan.ts';
import type { Database } from '../store/database.ts';
import type { Organization } from '../store/organizations.ts';
import { failFolder, missingFolder } from '../store/scan-folders.ts';
import { finishMailbox } from '../store/scan-mailboxes.ts';
import type { Scan } from '../store/scans.ts';
import type { ByteBudget } from './byte-budget.ts';
import { readFolder, type FolderEnd, type FolderToRead, type ReadingContext } from './folder-reader.ts';
import type { Lease } from './lease.ts';
import type { SliceResult } from './mailbox-activities.ts';
import { openFolders } from './open-folders.ts';
import { alike } from './scan-groups.ts';
import { settleMailbox } from './settlement.ts';

/** Folders of a mailbox read at a time; Graph allows an app four requests at a time for a mailbox. */
const FOLDERS_AT_ONCE = 3;

export interface SliceRequest {
  readonly db: Database;
  readonly organization: Organization;
  readonly graph: Graph;
  readonly mailboxId: string;
  readonly scans: readonly Scan[];
  readonly lease: Lease;
  readonly budget: ByteBudget;
  readonly pageSize: number;
  /** Whether no later attempt would follow this error: what it struck is recorded as failed then. */
  givesUp(error: GraphError): boolean;
  timeIsUp(): boolean;
  onPage(messages: number): void;
}

/**
 * One slice of a mailbox: finds the wanted folders, reads them side by side until they are finished or time is up, and
 * then settles what vanished from them. What is wrong with the mailbox as a whole ends it with a reason; one failing
 * folder is recorded and the others go on.
 * @throws {GraphError} of a kind that another attempt, or a person, may mend
 */
export async function readSlice(request: SliceRequest): Promise<Omit<SliceResult, 'messages'>> {
  let ending: Ending = { outcome: 'completed' };
  for (const scans of alike(request.scans)) {
    const one = await readFor({ ...request, scans });
    if (!one) return { done: false, outcome: 'completed' };
    if (ending.outcome === 'completed') ending = one;
  }
  return { done: true, ...ending };
}

type Ending = Pick<SliceResult, 'outcome' | 'reason'>;

/** Reads the mailbox for scans that want the same; undefined when the slice's time was up before the end. */
async function readFor(request: SliceRequest): Promise<Ending | undefined> {
  const { db, scans, mailboxId } = request;
  const scanNos = scans.map(({ scanNo }) => scanNo);
  try {
    const ends = await readFolders(request, scanNos);
    if (ends.includes('unfinished')) return undefined;
    const failed = ends.includes('failed');
    const ending = failed
      ? ({ outcome: 'failed', reason: 'folder_failed' } as const)
      : ({ outcome: 'completed' } as const);
    await finishMailbox(db, { scanNos, mailboxId, ...ending });
    return ending;
  } catch (error) {
    const reason = skipReason(error);
    if (!reason || !(error instanceof GraphError)) throw error;
    const { code, requestId } = error;
    await finishMailbox(db, {
      scanNos,
      mailboxId,
      outcome: 'skipped',
      reason,
      errorCode: code,
      ...(requestId !== undefined && { requestId }),
    });
    return { outcome: 'skipped', reason };
  }
}

/** Why a mailbox cannot be read at all, where that is Graph's settled answer. */
function skipReason(error: unknown): MailboxReason | undefined {
  if (!(error instanceof GraphError)) return undefined;
  if (error.kind === 'mailbox_missing') return 'no_mailbox';
  return error.kind === 'mailbox_denied' ? 'denied' : undefined;
}

async function readFolders(request: SliceRequest, scanNos: readonly number[]): Promise<(FolderEnd | 'failed')[]> {
  const { db, organization, graph, mailboxId, scans, lease, budget, pageSize } = request;
  const [first] = scans;
  if (!first) return [];
  // A sibling's fatal error ends all of them: their time would be wasted.
  const failing = new AbortController();
  const context: ReadingContext = {
    db,
    organization,
    mailbox: graph.mailbox(mailboxId),
    leaseToken: lease.token,
    signal: AbortSignal.any([lease.signal, failing.signal]),
    budget,
    pageSize,
    scanNos,
    scanId: first.scanId,
    mode: first.mode,
    since: first.filters.since,
    until: first.filters.until,
    timeIsUp: () => request.timeIsUp(),
    onPage: (messages) => request.onPage(messages),
  };
  const { folders, begun } = await openFolders(context, first.filters.folders);
  const limit = pLimit(FOLDERS_AT_ONCE);
  const settled = await Promise.allSettled(
    folders.map((folder) =>
      limit(async () => {
        context.signal.throwIfAborted();
        return readOrRecord(context, folder, (error) => request.givesUp(error));
      }).catch((error: unknown) => {
        failing.abort(error);
        throw error;
      }),
    ),
  );
  if (failing.signal.aborted) throw failing.signal.reason;
  const ends = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  if (!ends.includes('unfinished')) await settleMailbox(context, folders, { begun });
  return ends;
}

/** Kinds of error that end the folder alone; the rest concern the mailbox or the connection. */
const FOLDERS_OWN = new Set([
  'bad_request',
  'poison',
  'body_too_large',
  'sync_state_lost',
  'quota_exceeded',
  'item_missing',
]);

async function readOrRecord(
  context: ReadingContext,
  folder: FolderToRead,
  givesUp: (error: GraphError) => boolean,
): Promise<FolderEnd | 'failed'> {
  try {
    return await readFolder(context, folder);
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    const { db, scanNos, mailbox } = context;
    if (error.kind === 'folder_missing') {
      await missingFolder(db, { scanNos, mailboxId: mailbox.id, name: folder.path });
      return 'finished';
    }
    const givenUp = error.retryable && givesUp(error);
    if (!FOLDERS_OWN.has(error.kind) && !givenUp) throw error;
    await failFolder(db, {
      scanNos,
      mailboxId: mailbox.id,
      folder,
      errorCode: error.code,
      ...(error.requestId !== undefined && { requestId: error.requestId }),
    });
    return 'failed';
  }
}
