import {
  CancellationScope,
  allHandlersFinished,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  proxyActivities,
  setHandler,
} from '@temporalio/workflow';
import type { MailboxActivities, SliceResult } from '../activities/mailbox-activities.ts';
import type { ScanActivities } from '../activities/scan-activities.ts';
import { scanWorkflowId } from '../model/ids.ts';
import type { MailboxReason, MailboxReport } from '../model/scan.ts';
import { typeOf } from './failures.ts';
import { graphActivities } from './graph-activities.ts';
import { historyIsLong } from './history.ts';
import { mailboxFinishedSignal, readRequestedSignal, readWithdrawnSignal } from './messages.ts';
import { SLICE, STORE_CALL, priorityOf } from './policies.ts';
import {
  RequestQueue,
  isMoreUrgent,
  isWanted,
  withRequest,
  withoutScan,
  withoutTold,
  type PendingRead,
  type ReadRequest,
  type Waiter,
  type WaitingReads,
} from './requests.ts';

export interface SyncMailboxInput {
  readonly organizationId: string;
  readonly mailboxId: string;
  readonly reads: WaitingReads;
  /** Events after which a run continues as new. Default: 2,000. */
  readonly maxEvents?: number;
}

interface Ending extends Pick<SliceResult, 'outcome' | 'reason'> {
  /** The waiters whom the slice has told of it. */
  readonly told: readonly Waiter[];
}

/**
 * The one reader of a mailbox. It takes what it is asked, most urgent first, until nothing is left, and then ends; who
 * wants something later starts it again. It is asked by scans, which wait for its report, and by others who do not: then
 * what there is to do stands in the store, and every slice looks there first. A more urgent request cancels the running
 * slice, which loses nothing: every committed page stays, and the interrupted read goes on afterwards from where it was.
 */
export async function syncMailbox(input: SyncMailboxInput): Promise<MailboxReport | undefined> {
  const { organizationId, mailboxId, maxEvents } = input;
  const queue = new RequestQueue(input.reads);
  let running: RunningRead | undefined;

  setHandler(readRequestedSignal, (request) => {
    if (running && joins(request, running.read)) {
      running.read = withRequest(running.read, request);
      return;
    }
    queue.add(request);
    if (!running) return;
    // A flood of requests must not fill one run's history: the slice goes on in the next.
    if (historyIsLong(maxEvents)) running.interrupted = true;
    if (running.interrupted || isMoreUrgent(request.urgency, running.read.urgency)) running.scope.cancel();
  });
  setHandler(readWithdrawnSignal, ({ scanId }) => {
    queue.withdraw(scanId);
    if (!running || running.read.waiters.length === 0) return;
    running.read = { ...running.read, waiters: withoutScan(running.read.waiters, scanId) };
    if (running.read.waiters.length > 0) return;
    running.interrupted = true;
    running.scope.cancel();
  });

  // Whoever starts a reader by a signal leaves the queue to it. One that is withdrawn before its first task has nothing to do.
  if (input.reads.asked.length + input.reads.begun.length === 0) await condition(() => !queue.isEmpty);

  for (let read = queue.take(); read; read = queue.take()) {
    if (historyIsLong(maxEvents)) {
      queue.putBack(read);
      break;
    }
    running = { read, scope: new CancellationScope({ cancellable: true }), interrupted: false };
    const ending = await readSlice(organizationId, mailboxId, running);
    const { read: served, interrupted: byUs }: RunningRead = running;
    running = undefined;
    const interrupted = ending?.outcome === 'cancelled' && (byUs || isMoreUrgent(queue.mostUrgent, served.urgency));
    if (isWanted(served) && (!ending || interrupted)) queue.putBack(served);
    else if (ending) {
      const { told, ...result } = ending;
      const owed = withoutTold(served.waiters, told);
      const starter = owed.find(({ byEnd }) => byEnd);
      const report = { mailboxId, ...result };
      await tell(
        organizationId,
        owed.filter((waiter) => waiter !== starter),
        report,
      );
      if (starter && queue.isEmpty) return { ...report, ask: starter.ask };
      if (starter) await tell(organizationId, [starter], report);
    }
  }
  if (!queue.isEmpty) {
    await condition(allHandlersFinished);
    await continueAsNew<typeof syncMailbox>({ ...input, reads: queue.waiting });
  }
  return undefined;
}

interface RunningRead {
  read: PendingRead;
  readonly scope: CancellationScope;
  /** Cancelled here: the last scan that it was read for has withdrawn, or the history is long. */
  interrupted: boolean;
}

/**
 * A scan that asks again while it is being served has lost patience, not changed its mind. Who waits for nothing means
 * what stands in the store since, which the running slice may have looked for already.
 */
const joins = ({ waiter, urgency }: ReadRequest, read: PendingRead): boolean =>
  read.urgency === urgency && read.waiters.some(({ scanId }) => scanId === waiter?.scanId);

/** Runs one slice; undefined when the read has more to do. A failure ends this read, never the reader. */
async function readSlice(
  organizationId: string,
  mailboxId: string,
  { read, scope }: RunningRead,
): Promise<Ending | undefined> {
  const { urgency, waiters } = read;
  const priority = priorityOf(urgency, organizationId);
  const { readMailbox } = graphActivities<MailboxActivities>({ ...SLICE, priority });
  try {
    const { done, outcome, reason, told } = await scope.run(() => readMailbox({ organizationId, mailboxId, waiters }));
    const heard = told ? waiters.filter(({ byEnd }) => !byEnd) : [];
    return done ? { outcome, ...(reason && { reason }), told: heard } : undefined;
  } catch (error) {
    if (isCancellation(error)) return { outcome: 'cancelled', told: [] };
    const reason = reasonOf(error);
    await recordFailure({ organizationId, mailboxId, scanNos: waiters.map(({ scanNo }) => scanNo), reason });
    return { outcome: 'failed', reason, told: [] };
  }
}

async function recordFailure(input: Parameters<ScanActivities['recordFailedMailbox']>[0]): Promise<void> {
  if (input.scanNos.length === 0) return;
  const { recordFailedMailbox } = proxyActivities<Pick<ScanActivities, 'recordFailedMailbox'>>(STORE_CALL);
  await CancellationScope.nonCancellable(() => recordFailedMailbox(input));
}

function reasonOf(error: unknown): MailboxReason {
  const type = typeOf(error);
  if (type === 'CredentialRefused' || type === 'PermissionMissing') return 'credential_refused';
  if (type === 'MailboxBusy') return 'mailbox_busy';
  return type === 'GraphFailed' ? 'graph_failed' : 'internal_error';
}

/**
 * Signals every scan that still waits. Who started the reader hears of its end, unless there is more to read; the others
 * were told by the slice that has ended the read, for a signal of the workflow's own costs it another task. So this is for
 * failures, and for who asked again meanwhile. A scan that has ended needs no telling.
 */
async function tell(
  organizationId: string,
  waiters: readonly Waiter[],
  result: Omit<MailboxReport, 'ask'>,
): Promise<void> {
  const signal = async ({ scanId, ask }: Waiter): Promise<void> => {
    try {
      const scan = getExternalWorkflowHandle(scanWorkflowId(organizationId, scanId));
      await scan.signal(mailboxFinishedSignal, { ...result, ask });
    } catch {
      log.info('A scan that asked has ended meanwhile', { scanId });
    }
  };
  await CancellationScope.nonCancellable(() => Promise.all(waiters.map(signal)));
}
