import { ActivityFailure, ApplicationFailure, TemporalFailure } from '@temporalio/common';
import {
  CancellationScope,
  allHandlersFinished,
  condition,
  continueAsNew,
  isCancellation,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { ScanActivities } from '../activities/scan-activities.ts';
import type { FinalScanStatus } from '../model/scan.ts';
import { siblingQueues } from '../model/task-queues.ts';
import { askMailbox, tellWaitingScans, withdrawFrom } from './asking.ts';
import { historyIsLong } from './history.ts';
import {
  admittedUpdate,
  mailboxFinishedSignal,
  reviewSignal,
  turnFreedSignal,
  type MailboxReport,
  type ScanAdmission,
} from './messages.ts';
import { CREDENTIAL_CHECK, DISCOVERY, STORE_CALL } from './policies.ts';

/** How many mailbox ids are taken from the store at once: their payload stays under 2 KB. */
const STRETCH = 40;
/** After this long without a report the store is asked who still owes one: a terminated reader never reports. */
const SILENCE = '5 minutes';
/** A scan that waits for its turn asks again this often, should the signal of a scan that ended be lost. */
const TURN_POLL = '1 minute';

export interface ScanTenantInput {
  readonly organizationId: string;
  readonly scanId: string;
  readonly scanNo: number;
  /** Mailboxes open at a time. */
  readonly window: number;
  /** Events after which a run continues as new. Default: 3,000. */
  readonly maxEvents?: number;
  /** Where an earlier run of this scan left off; absent at the start. */
  readonly progress?: ScanProgress;
}

/** What a scan carries from run to run: a few KB, whatever the tenant's size. */
export interface ScanProgress {
  /** Mailboxes asked and not yet heard of, with the number of the ask. */
  readonly open: readonly (readonly [mailboxId: string, ask: number])[];
  /** Mailboxes taken from the store and not yet asked. */
  readonly ready: readonly string[];
  /** Where the store's list goes on; undefined when it was read to its end. */
  readonly after: number | undefined;
  readonly asked: number;
  readonly finished: number;
}

/**
 * One run over a tenant's mailboxes: checks the credential, waits for its turn, lists the users, and then keeps up to
 * `window` mailboxes asked until each has reported. Mail never passes through here, only ids and counts.
 *
 * A mailbox is asked by starting its reader as an abandoned child, or by a signal where the reader already runs; it
 * answers by a signal to this workflow's id, so that a continued run hears it. Cancelling withdraws what was asked:
 * readers may go on for other scans.
 */
export async function scanTenant(input: ScanTenantInput): Promise<FinalScanStatus | 'refused' | 'unreachable'> {
  const scan = new TenantScan(input);
  return scan.run();
}

class TenantScan {
  readonly #input: ScanTenantInput;
  readonly #open: Map<string, number>;
  #ready: string[];
  #after: number | undefined;
  #asked: number;
  #finished: number;
  #admission: ScanAdmission | undefined;
  /** Why the whole scan must end, once a mailbox's reader found out. */
  #failure: string | undefined;
  #reports = 0;
  #reviewWanted = false;
  #turnMayBeFree = false;

  readonly #store = proxyActivities<ScanActivities>(STORE_CALL);

  constructor(input: ScanTenantInput) {
    this.#input = input;
    const { open, ready, after, asked, finished } = input.progress ?? NOTHING_YET;
    this.#open = new Map(open);
    this.#ready = [...ready];
    this.#after = after;
    this.#asked = asked;
    this.#finished = finished;
    setHandler(mailboxFinishedSignal, (report) => this.#hear(report));
    setHandler(reviewSignal, () => void (this.#reviewWanted = true));
    setHandler(turnFreedSignal, () => void (this.#turnMayBeFree = true));
    setHandler(admittedUpdate, async () => {
      await condition(() => this.#admission !== undefined);
      return this.#admission!;
    });
  }

  async run(): Promise<FinalScanStatus | 'refused' | 'unreachable'> {
    try {
      if (!this.#input.progress) {
        const turnedDown = await this.#admit();
        if (turnedDown) return turnedDown;
        await this.#discover();
      }
      await this.#watched(() => this.#readMailboxes());
      return await this.#finish('ran');
    } catch (error) {
      const cancelled = isCancellation(error);
      if (cancelled || error instanceof TemporalFailure)
        await this.#stop(cancelled ? 'cancelled' : 'failed', reasonFor(error));
      throw error;
    }
  }

  /** Checks the credential and waits for a turn; returns how it ended when there is nothing to scan with. */
  async #admit(): Promise<'refused' | 'unreachable' | undefined> {
    const { organizationId, scanNo } = this.#input;
    const { graph } = siblingQueues(workflowInfo().taskQueue);
    const { checkCredential } = proxyActivities<ScanActivities>({ ...CREDENTIAL_CHECK, taskQueue: graph });
    const verdict = await checkCredential({ organizationId, scanNo });
    if (verdict.status !== 'accepted') {
      this.#admission = verdict;
      await condition(allHandlersFinished);
      return verdict.status;
    }
    for (;;) {
      const status = await this.#store.takeTurn({ scanNo });
      this.#admission = { status };
      if (status === 'running') return undefined;
      this.#turnMayBeFree = false;
      await condition(() => this.#turnMayBeFree, TURN_POLL);
    }
  }

  async #discover(): Promise<void> {
    const { organizationId, scanNo } = this.#input;
    const { graph } = siblingQueues(workflowInfo().taskQueue);
    const { discoverMailboxes } = proxyActivities<ScanActivities>({ ...DISCOVERY, taskQueue: graph });
    const { mailboxes } = await discoverMailboxes({ organizationId, scanNo });
    log.info('Discovered the mailboxes', { mailboxes });
  }

  async #readMailboxes(): Promise<void> {
    const { window } = this.#input;
    for (;;) {
      if (this.#failure !== undefined) throw ApplicationFailure.nonRetryable(this.#failure, 'CredentialRefused');
      if (this.#ready.length < window && this.#after !== undefined) await this.#takeStretch(this.#after);
      await this.#ask(this.#ready.splice(0, window - this.#open.size));
      if (this.#open.size === 0 && this.#ready.length === 0 && this.#after === undefined) return;
      if (historyIsLong(this.#input.maxEvents)) await this.#continue();
      setCurrentDetails(`Mailboxes: ${this.#finished} finished, ${this.#open.size} being read`);
      await this.#nextReport();
    }
  }

  async #takeStretch(after: number): Promise<void> {
    const { scanNo } = this.#input;
    const stretch = await this.#store.nextMailboxes({ scanNo, after, limit: STRETCH });
    this.#ready.push(...stretch.mailboxIds);
    this.#after = stretch.mailboxIds.length === STRETCH ? stretch.after : undefined;
  }

  async #ask(mailboxIds: readonly string[]): Promise<void> {
    const { organizationId, scanId, scanNo } = this.#input;
    // Not cancellable, so that a withdrawal never overtakes the start of a reader.
    await CancellationScope.nonCancellable(() =>
      Promise.all(
        mailboxIds.map((mailboxId) => {
          const ask = ++this.#asked;
          this.#open.set(mailboxId, ask);
          return askMailbox(organizationId, mailboxId, { urgency: 'full', waiter: { scanId, scanNo, ask } });
        }),
      ),
    );
  }

  #hear({ mailboxId, ask, outcome, reason }: MailboxReport): void {
    this.#reports++;
    if (this.#open.get(mailboxId) !== ask) return;
    this.#open.delete(mailboxId);
    this.#finished++;
    if (outcome === 'failed' && reason === 'credential_refused') {
      this.#failure ??= 'Microsoft Entra or Graph refuses the credential of the connection';
    }
  }

  /**
   * Runs `work` under a watch that asks for a review after a silence. One timer for all reports: one for each would
   * cost an action and two events a mailbox.
   */
  async #watched(work: () => Promise<void>): Promise<void> {
    const watch = new CancellationScope();
    const watching = watch.run(async () => {
      for (let seen = this.#reports; ; seen = this.#reports) {
        await sleep(SILENCE);
        if (this.#reports === seen) this.#reviewWanted = true;
      }
    });
    watching.catch(() => undefined);
    try {
      await work();
    } finally {
      watch.cancel();
    }
  }

  /** Waits for a report while the window is full; when a review is due, asks the store who still owes one. */
  async #nextReport(): Promise<void> {
    const { scanNo } = this.#input;
    const seen = this.#reports;
    await condition(() => this.#reports > seen || this.#reviewWanted);
    if (!this.#reviewWanted) return;
    this.#reviewWanted = false;
    const asked = [...this.#open];
    const unfinished = new Set(
      await this.#store.unfinishedMailboxes({ scanNo, mailboxIds: asked.map(([mailboxId]) => mailboxId) }),
    );
    const silent = asked.filter(([mailboxId, ask]) => this.#open.get(mailboxId) === ask);
    for (const [mailboxId] of silent.filter(([id]) => !unfinished.has(id))) {
      this.#open.delete(mailboxId);
      this.#finished++;
    }
    await this.#ask(silent.map(([mailboxId]) => mailboxId).filter((id) => unfinished.has(id)));
  }

  async #continue(): Promise<never> {
    await condition(allHandlersFinished);
    return await continueAsNew<typeof scanTenant>({
      ...this.#input,
      progress: {
        open: [...this.#open],
        ready: this.#ready,
        after: this.#after,
        asked: this.#asked,
        finished: this.#finished,
      },
    });
  }

  /** Ends early: withdraws what was asked, then ends as told. Goes to its end even when cancelled again. */
  #stop(end: 'cancelled' | 'failed', message?: string): Promise<FinalScanStatus> {
    const { organizationId, scanId } = this.#input;
    this.#admission ??= { status: 'pending' };
    return CancellationScope.nonCancellable(async () => {
      await withdrawFrom(organizationId, [...this.#open.keys()], scanId);
      return this.#finish(end, message);
    });
  }

  async #finish(end: 'ran' | 'cancelled' | 'failed', message?: string): Promise<FinalScanStatus> {
    const { organizationId, scanNo } = this.#input;
    return CancellationScope.nonCancellable(async () => {
      const { status, waiting } = await this.#store.finishScan({
        organizationId,
        scanNo,
        end,
        ...(message !== undefined && { message }),
      });
      await tellWaitingScans(waiting);
      await condition(allHandlersFinished);
      return status;
    });
  }
}

const NOTHING_YET: ScanProgress = { open: [], ready: [], after: 0, asked: 0, finished: 0 };

/** What to tell the administrator of the failure that ends a scan; undefined for a cancellation. */
function reasonFor(error: unknown): string | undefined {
  if (isCancellation(error)) return undefined;
  if (error instanceof ActivityFailure && error.cause) return error.cause.message;
  return error instanceof Error ? error.message : undefined;
}
