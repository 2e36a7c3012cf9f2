import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
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
} from '@temporalio/workflow';
import type { ScanActivities } from '../activities/scan-activities.ts';
import type { FinalScanStatus } from '../model/scan.ts';
import { tellWaitingScans } from './asking.ts';
import { reasonFor } from './failures.ts';
import { graphActivities } from './graph-activities.ts';
import { historyIsLong } from './history.ts';
import { MailboxWindow, askedNothing, type WindowOf, type WindowProgress } from './mailbox-window.ts';
import {
  admittedUpdate,
  mailboxFinishedSignal,
  mailboxWaitsSignal,
  pauseSignal,
  resumeSignal,
  reviewSignal,
  turnFreedSignal,
  type ScanAdmission,
} from './messages.ts';
import { CREDENTIAL_CHECK, DISCOVERY, STORE_CALL } from './policies.ts';
import { endScan, type ScanEnding } from './scan-end.ts';

/** A scan that waits for its turn asks again this often, should the signal of a scan that ended be lost. */
const TURN_POLL = '1 minute';

export interface ScanTenantInput extends WindowOf {
  /** Events after which a run continues as new. Default: 2,000. */
  readonly maxEvents?: number;
  /** Opens the scan again, which has ended after this step. Absent for a new scan. */
  readonly reopensAfter?: number;
  /** Where an earlier run of this scan left off; absent at the start. */
  readonly progress?: ScanProgress;
}

/** What a scan carries from run to run. */
export interface ScanProgress extends WindowProgress {
  /** Default: `running`. */
  readonly standing?: Standing;
  /** Whether the tenant's users were listed. Default: true. */
  readonly discovered?: boolean;
  /** The latest step. Default: 0. */
  readonly step?: number;
  /** What was asked for last, pause or resume, whether or not it was done yet. Default: as it stands. */
  readonly pauseWanted?: boolean;
}

/** `pending` without a turn, `running` with one; `paused` once the store knows. */
type Standing = 'pending' | 'running' | 'paused';

/**
 * One run over a tenant's mailboxes: checks the credential, waits for its turn, lists the users, and then keeps up to
 * `window` mailboxes asked until each has reported; one that Graph makes wait holds no place meanwhile. Mail never passes through here, only ids and counts.
 *
 * A mailbox is asked by starting its reader as an abandoned child, which answers by its end, or by a signal where the
 * reader already runs, which answers by a signal to this workflow's id. A continued run hears of no child that an earlier
 * one has started: it asks the store. Pausing and cancelling withdraw what was asked: readers may go on for other scans.
 * A paused scan has no turn, and waits for one when it is resumed.
 */
export async function scanTenant(input: ScanTenantInput): Promise<FinalScanStatus | 'refused' | 'unreachable'> {
  const scan = new TenantScan(input);
  return scan.run();
}

class TenantScan {
  readonly #input: ScanTenantInput;
  readonly #store = proxyActivities<ScanActivities>(STORE_CALL);
  readonly #window: MailboxWindow;
  #standing: Standing;
  #discovered: boolean;
  #step: number;
  #admission: ScanAdmission | undefined;
  #pauseWanted: boolean;
  #turnMayBeFree = false;
  /** What a pause interrupts at once. */
  #interruptible: CancellationScope | undefined;

  constructor(input: ScanTenantInput) {
    this.#input = input;
    const { progress, reopensAfter = 0 } = input;
    this.#window = new MailboxWindow(input, this.#store, progress ?? askedNothing(reopensAfter));
    this.#standing = progress ? (progress.standing ?? 'running') : 'pending';
    this.#discovered = progress ? (progress.discovered ?? true) : false;
    this.#step = progress?.step ?? reopensAfter;
    this.#pauseWanted = progress?.pauseWanted ?? this.#standing === 'paused';
    if (progress) this.#admission = { status: this.#standing === 'running' ? 'running' : 'pending' };
    setHandler(mailboxFinishedSignal, (report) => this.#window.hear(report));
    setHandler(mailboxWaitsSignal, (wait) => this.#window.defer(wait));
    setHandler(reviewSignal, () => this.#window.review());
    setHandler(turnFreedSignal, () => void (this.#turnMayBeFree = true));
    setHandler(pauseSignal, () => {
      this.#pauseWanted = true;
      this.#interruptible?.cancel();
    });
    setHandler(resumeSignal, () => void (this.#pauseWanted = false));
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
      }
      do await this.#takeTurn();
      while (!(await this.#discover()) || !(await this.#window.watched(() => this.#readMailboxes())));
      return await this.#end({ end: 'ran' });
    } catch (error) {
      const cancelled = isCancellation(error);
      if (cancelled || error instanceof TemporalFailure) {
        this.#admission ??= { status: 'pending' };
        await this.#window.withdraw();
        await this.#end(cancelled ? { end: 'cancelled' } : { end: 'failed', message: reasonFor(error) });
      }
      throw error;
    }
  }

  /** Checks the credential; returns how it ended when there is nothing to scan with. */
  async #admit(): Promise<'refused' | 'unreachable' | undefined> {
    const { organizationId, scanNo, reopensAfter } = this.#input;
    if (reopensAfter !== undefined) {
      const { discovered } = await this.#store.reopenScan({ scanNo, step: ++this.#step });
      this.#discovered = discovered;
    }
    const { checkCredential } = graphActivities<ScanActivities>(CREDENTIAL_CHECK);
    const verdict = await checkCredential({ organizationId, scanNo, step: ++this.#step });
    if (verdict.status === 'accepted') return undefined;
    this.#admission = verdict;
    await condition(allHandlersFinished);
    return verdict.status;
  }

  /** Returns with a turn: waits while paused, and until one is free. */
  async #takeTurn(): Promise<void> {
    const { scanNo } = this.#input;
    for (;;) {
      if (this.#pauseWanted || this.#standing === 'paused') await this.#standStill();
      if (this.#standing === 'running') return;
      const status = await this.#store.takeTurn({ scanNo });
      this.#standing = status;
      this.#admission = { status };
      if (status === 'running') continue;
      if (historyIsLong(this.#input.maxEvents)) await this.#continue();
      setCurrentDetails('Waits for its turn');
      this.#turnMayBeFree = false;
      await condition(() => this.#turnMayBeFree || this.#pauseWanted, TURN_POLL);
    }
  }

  /** Has its readers stop, gives the turn back and waits to be resumed. */
  async #standStill(): Promise<void> {
    const { scanNo, maxEvents } = this.#input;
    this.#admission ??= { status: 'pending' };
    if (this.#standing !== 'paused') {
      await this.#window.withdraw();
      const { waiting } = await this.#store.pauseScan({ scanNo, step: ++this.#step });
      this.#standing = 'paused';
      await tellWaitingScans(waiting);
    }
    setCurrentDetails('Paused');
    while (this.#pauseWanted) {
      await condition(() => !this.#pauseWanted || historyIsLong(maxEvents));
      if (this.#pauseWanted) await this.#continue();
    }
    await this.#store.resumeScan({ scanNo, step: ++this.#step });
    this.#standing = 'pending';
  }

  /** Lists the tenant's users; false where a pause came between. */
  async #discover(): Promise<boolean> {
    if (this.#discovered) return true;
    const { organizationId, scanNo } = this.#input;
    const { discoverMailboxes } = graphActivities<ScanActivities>(DISCOVERY);
    const whole = CancellationScope.current();
    const interruptible = (this.#interruptible = new CancellationScope());
    try {
      const { mailboxes } = await interruptible.run(() => discoverMailboxes({ organizationId, scanNo }));
      log.info('Discovered the mailboxes', { mailboxes });
      this.#discovered = true;
    } catch (error) {
      if (!isCancellation(error) || whole.consideredCancelled) throw error;
    } finally {
      this.#interruptible = undefined;
    }
    return this.#discovered;
  }

  /** Has every mailbox read; false where a pause came between. */
  async #readMailboxes(): Promise<boolean> {
    const window = this.#window;
    for (;;) {
      if (window.failure !== undefined) throw ApplicationFailure.nonRetryable(window.failure, 'CredentialRefused');
      if (this.#pauseWanted) return false;
      await window.fill();
      if (window.failure !== undefined) continue;
      if (window.isDone) return true;
      if (historyIsLong(this.#input.maxEvents)) await this.#continue();
      setCurrentDetails(window.details);
      await window.next(() => this.#pauseWanted);
    }
  }

  async #continue(): Promise<never> {
    await condition(allHandlersFinished);
    return await continueAsNew<typeof scanTenant>({
      ...this.#input,
      progress: {
        ...this.#window.progress,
        standing: this.#standing,
        discovered: this.#discovered,
        step: this.#step,
        pauseWanted: this.#pauseWanted,
      },
    });
  }

  #end(ending: ScanEnding): Promise<FinalScanStatus> {
    const { organizationId, scanNo } = this.#input;
    return endScan(this.#store, { organizationId, scanNo, step: ++this.#step }, ending);
  }
}
