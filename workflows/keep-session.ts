import { ActivityFailure } from '@temporalio/common';
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
} from '@temporalio/workflow';
import type { ScanActivities } from '../activities/scan-activities.ts';
import type { SessionActivities, SessionName } from '../activities/session-activities.ts';
import type { SubscriptionActivities } from '../activities/subscription-activities.ts';
import { reasonFor } from './failures.ts';
import { graphActivities } from './graph-activities.ts';
import { historyIsLong } from './history.ts';
import { sessionNudgedSignal, sessionStartedUpdate, stopSessionSignal, type SessionStart } from './messages.ts';
import { CREDENTIAL_CHECK, DISCOVERY, PUBLIC_URL_CHECK, SESSION_CALL, SUBSCRIBING } from './policies.ts';
import { endSession, type KeptEnd } from './session-end.ts';

/** Whoever starts a session is answered at last so long after its credential was accepted. */
const ANSWER_WITHIN = '10 seconds';
const MINUTE = 60_000;
/** How often the tenant's users are listed, and sweeps compared with what notifications tell. */
const EVERY_MS = { discovery: 10 * MINUTE, sweeps: 3 * MINUTE };
/** What failed is tried again after so long; what is due, at most so often. */
const AGAIN_MS = { failed: 5 * MINUTE, least: 5_000, nudged: 1_000 };

/** What a session that runs sees to, again and again. */
type Duty = 'subscriptions' | 'discovery' | 'sweeps';

export interface KeepSessionInput extends SessionName {
  /** Events after which a run continues as new. Default: 2,000. */
  readonly maxEvents?: number;
  /** Where an earlier run of this session left off; absent at the start. */
  readonly progress?: SessionProgress;
}

/** What a session that runs carries from run to run. */
export interface SessionProgress {
  /** When each is due next, ms since 1970; what is absent is not seen to. */
  readonly due: Readonly<Partial<Record<Duty, number>>>;
  /** What failed last, by what was to be done. */
  readonly troubles: readonly (readonly [Duty, string])[];
  /** Why Graph cannot notify; null: it can. Absent where nobody knows yet. */
  readonly unreachable?: string | null;
  readonly nudged: boolean;
  readonly stop?: string;
}

/**
 * Continuous ingestion for an organization, from start to stop: who is followed, what Graph is to notify of, and when
 * mailboxes are swept. It reads no mail, and costs some events an hour however many mailboxes it follows: they have no
 * workflow and no timer of their own.
 *
 * A stop interrupts whatever it is at, its start as well. What fails once it runs is tried again and never ends it.
 */
export async function keepSession(input: KeepSessionInput): Promise<KeptEnd['status']> {
  return new KeptSession(input).run();
}

class KeptSession {
  readonly #input: KeepSessionInput;
  readonly #name: SessionName;
  readonly #store = proxyActivities<SessionActivities>(SESSION_CALL);
  /** What a stop interrupts. */
  readonly #work = new CancellationScope();
  readonly #due: Partial<Record<Duty, number>>;
  readonly #troubles: Map<Duty, string>;
  #unreachable: string | null | undefined;
  #nudged: boolean;
  #stop: string | undefined;
  #accepted = false;
  #answer: SessionStart | undefined;

  constructor(input: KeepSessionInput) {
    this.#input = input;
    const { organizationId, sessionNo, progress } = input;
    this.#name = { organizationId, sessionNo };
    this.#due = { ...progress?.due };
    this.#troubles = new Map(progress?.troubles);
    this.#unreachable = progress?.unreachable;
    this.#nudged = progress?.nudged ?? false;
    this.#stop = progress?.stop;
    if (progress) this.#answer = { status: 'running' };
    setHandler(sessionNudgedSignal, () => void (this.#nudged = this.#due.subscriptions !== undefined));
    setHandler(stopSessionSignal, ({ reason }) => {
      this.#stop ??= reason;
      this.#work.cancel();
    });
    setHandler(sessionStartedUpdate, async (): Promise<SessionStart> => {
      await condition(() => this.#accepted || this.#answer !== undefined);
      await condition(() => this.#answer !== undefined, ANSWER_WITHIN);
      return this.#answer ?? { status: 'starting' };
    });
  }

  async run(): Promise<KeptEnd['status']> {
    const end = await this.#untilEnd();
    const { status, reason } = end;
    const turnedDown = status === 'refused' || status === 'unreachable';
    if (!turnedDown) this.#answer = { status: 'stopping' };
    setCurrentDetails('Stops');
    await endSession(this.#store, this.#name, { ...end, subscribed: this.#due.subscriptions !== undefined });
    // Not before the store knows: whoever is told so may forget the session.
    if (turnedDown) this.#answer = { status, reason };
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
    return status;
  }

  async #untilEnd(): Promise<KeptEnd> {
    try {
      return await this.#work.run(async () => {
        if (this.#stop !== undefined) return { status: 'stopped', reason: this.#stop };
        const turnedDown = this.#input.progress ? undefined : await this.#start();
        return turnedDown ?? (await this.#keep());
      });
    } catch (error) {
      if (isCancellation(error)) return { status: 'stopped', reason: this.#stop ?? 'cancelled' };
      if (error instanceof ActivityFailure) return { status: 'failed', reason: reasonFor(error) ?? 'internal_error' };
      throw error;
    }
  }

  /** Returns why there is nothing to run with; otherwise the session runs. */
  async #start(): Promise<KeptEnd | undefined> {
    const { organizationId } = this.#name;
    const { scanNo, notifications } = await this.#store.beginSession(this.#name);
    const { checkCredential } = graphActivities<ScanActivities>(CREDENTIAL_CHECK);
    const verdict = await checkCredential({ organizationId, scanNo });
    if (verdict.status !== 'accepted') return verdict;
    this.#accepted = true;
    setCurrentDetails('Starts');
    await this.#follow();
    if (notifications) {
      this.#due.subscriptions = 0;
      await this.#attempt('subscriptions', () => this.#checkReach());
    }
    await this.#seeTo('sweeps');
    await this.#store.recordRunning(this.#name);
    this.#answer = { status: 'running' };
    await this.#attempt('sweeps', () => this.#store.sweepNow(this.#name));
    return undefined;
  }

  async #keep(): Promise<never> {
    for (;;) {
      if (historyIsLong(this.#input.maxEvents)) await this.#continue();
      for (const duty of this.#dutiesDue()) await this.#seeTo(duty);
      const next = Math.min(...Object.values(this.#due));
      setCurrentDetails(this.#troubles.size > 0 ? 'Runs, with trouble' : 'Runs');
      // Lifecycle events come by the thousand, if they come.
      if (await condition(() => this.#nudged, Math.max(AGAIN_MS.least, next - Date.now())))
        await sleep(AGAIN_MS.nudged);
    }
  }

  #dutiesDue(): Duty[] {
    const due = Object.entries(this.#due) as [Duty, number][];
    const now = Date.now();
    return due.flatMap(([duty, at]) => (at <= now || (this.#nudged && duty === 'subscriptions') ? [duty] : []));
  }

  /** Does it, and says when it is due next. */
  async #seeTo(duty: Duty): Promise<void> {
    const done = await this.#attempt(duty, () => {
      if (duty === 'discovery') return this.#follow();
      return duty === 'sweeps' ? this.#keepSweeps() : this.#keepSubscriptions();
    });
    if (!done) this.#due[duty] = Date.now() + AGAIN_MS.failed;
  }

  /** Does it, and writes down what went wrong, or that nothing does any more. False where something did. */
  async #attempt(duty: Duty, work: () => Promise<void>): Promise<boolean> {
    const before = this.#troubles.get(duty);
    try {
      await work();
      this.#troubles.delete(duty);
    } catch (error) {
      if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
      log.warn('A session could not do all that it should', { duty });
      this.#troubles.set(duty, reasonFor(error) ?? 'internal_error');
    }
    const after = this.#troubles.get(duty);
    if (after !== before) {
      const trouble = this.#troubles.size > 0 ? [...new Set(this.#troubles.values())].join('; ') : null;
      await this.#store.recordTrouble({ ...this.#name, trouble });
    }
    return after === undefined;
  }

  async #follow(): Promise<void> {
    const { followMailboxes } = graphActivities<SessionActivities>(DISCOVERY);
    const { joined, left } = await followMailboxes(this.#name);
    this.#due.discovery = Date.now() + EVERY_MS.discovery;
    if (joined + left > 0 && this.#due.subscriptions !== undefined) this.#due.subscriptions = 0;
  }

  async #keepSweeps(): Promise<void> {
    const { sweepSeconds } = await this.#store.keepSweeps(this.#name);
    if (sweepSeconds === null) delete this.#due.sweeps;
    else this.#due.sweeps = Date.now() + EVERY_MS.sweeps;
  }

  async #checkReach(): Promise<void> {
    const { checkPublicUrl } = graphActivities<SubscriptionActivities>(PUBLIC_URL_CHECK);
    const check = await checkPublicUrl(this.#name);
    // What is reachable counts as such once subscriptions are kept.
    if (!check.reachable) await this.#recordReach(check.reason);
  }

  async #keepSubscriptions(): Promise<void> {
    this.#nudged = false;
    const { keepSubscriptions } = graphActivities<SubscriptionActivities>(SUBSCRIBING);
    const { nextDueMs, active, refused, unreachable } = await keepSubscriptions(this.#name);
    this.#due.subscriptions = Date.now() + Math.max(AGAIN_MS.least, nextDueMs);
    const none = active === 0 && refused > 0 ? 'Graph notifies of none of the mailboxes' : null;
    await this.#recordReach(unreachable ?? none);
  }

  /** Sweeps make up for notifications that do not come: they are looked at when that changes. */
  async #recordReach(unreachable: string | null): Promise<void> {
    if (unreachable === this.#unreachable) return;
    const state =
      unreachable === null
        ? { notifications: 'on' as const }
        : { notifications: 'unreachable' as const, reason: unreachable };
    await this.#store.recordNotifications({ ...this.#name, ...state });
    this.#unreachable = unreachable;
    if (this.#due.sweeps !== undefined) this.#due.sweeps = 0;
  }

  async #continue(): Promise<never> {
    await condition(allHandlersFinished);
    return await continueAsNew<typeof keepSession>({
      ...this.#input,
      progress: {
        due: this.#due,
        troubles: [...this.#troubles],
        nudged: this.#nudged,
        ...(this.#unreachable !== undefined && { unreachable: this.#unreachable }),
        ...(this.#stop !== undefined && { stop: this.#stop }),
      },
    });
  }
}
