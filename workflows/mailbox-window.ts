import { CancellationScope, condition, sleep, type ActivityInterfaceFor } from '@temporalio/workflow';
import type { ScanActivities } from '../activities/scan-activities.ts';
import type { MailboxReport, MailboxWait } from '../model/scan.ts';
import { askMailbox, withdrawFrom } from './asking.ts';

/** How many mailbox ids are taken from the store at once: their payload stays under 2 KB. */
const STRETCH = 40;
/** After this long without a report the store is asked who still owes one: one that another started may be terminated. */
const SILENCE = '5 minutes';
/** Mailboxes open at most, those included that Graph makes wait. */
const MOST_OPEN = 500;

/** What a window carries from run to run: a few KB, whatever the tenant's size. */
export interface WindowProgress {
  /** Mailboxes asked and not yet heard of, with the number of the ask and, where Graph makes it wait, until when. */
  readonly open: readonly (readonly [mailboxId: string, ask: number, waitsUntil?: number])[];
  /** Mailboxes taken from the store and not yet asked. */
  readonly ready: readonly string[];
  /** Where the store's list goes on; undefined when it was read to its end. */
  readonly after: number | undefined;
  readonly asked: number;
  readonly finished: number;
  /** Why the whole scan must end, once a reader has found out. */
  readonly failure?: string;
}

/** More than a scan can ask in one life. */
const ASKS_OF_A_LIFE = 1_000_000;

/** The beginning. A scan that is opened again numbers its asks anew, so that no late report of an earlier life answers one. */
export const askedNothing = (reopensAfter: number): WindowProgress => ({
  open: [],
  ready: [],
  after: 0,
  asked: reopensAfter * ASKS_OF_A_LIFE,
  finished: 0,
});

export interface WindowOf {
  readonly organizationId: string;
  readonly scanId: string;
  readonly scanNo: number;
  /** Mailboxes open at a time, but for those that Graph makes wait. */
  readonly window: number;
}

/** A mailbox that was asked for. */
interface Asked {
  readonly ask: number;
  /** By the workflow's clock, ms. 0: it does not wait. */
  readonly waitsUntil: number;
}

/**
 * The mailboxes that a scan has asked for and not heard of: up to `window` at a time, in the order of the store's list,
 * until each has reported. Those that Graph makes wait take no part in the count while they do, or a few of them would hold
 * up the whole scan.
 */
export class MailboxWindow {
  readonly #of: WindowOf;
  readonly #store: ActivityInterfaceFor<ScanActivities>;
  #open: Map<string, Asked>;
  #ready: string[];
  #after: number | undefined;
  #asked: number;
  #finished: number;
  /** What was heard, so that who waits for news can tell. */
  #news = 0;
  #reviewWanted = false;
  #failure: string | undefined;

  constructor(of: WindowOf, store: ActivityInterfaceFor<ScanActivities>, progress: WindowProgress) {
    this.#of = of;
    this.#store = store;
    this.#open = new Map(progress.open.map(([id, ask, waitsUntil = 0]) => [id, { ask, waitsUntil }]));
    this.#ready = [...progress.ready];
    this.#after = progress.after;
    this.#asked = progress.asked;
    this.#finished = progress.finished;
    this.#failure = progress.failure;
    // An earlier run would have heard of the ends of the readers that it started; this one does not.
    this.#reviewWanted = this.#open.size > 0;
  }

  get progress(): WindowProgress {
    return {
      open: [...this.#open].map(([id, { ask, waitsUntil }]) => (waitsUntil > 0 ? [id, ask, waitsUntil] : [id, ask])),
      ready: this.#ready,
      after: this.#after,
      asked: this.#asked,
      finished: this.#finished,
      ...(this.#failure !== undefined && { failure: this.#failure }),
    };
  }

  /** Why the whole scan must end, once a mailbox's reader found out. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Whether every mailbox of the list has reported. */
  get isDone(): boolean {
    return this.#open.size === 0 && this.#ready.length === 0 && this.#after === undefined;
  }

  /** In words, for the Temporal Web UI. */
  get details(): string {
    const waiting = this.#waiting;
    const reading = `Mailboxes: ${this.#finished} finished, ${this.#open.size - waiting} being read`;
    return waiting > 0 ? `${reading}, ${waiting} made to wait by Graph` : reading;
  }

  /** A reader's report. One that nobody waits for, because it was withdrawn or asked again, says nothing. */
  hear({ mailboxId, ask, outcome, reason }: MailboxReport): void {
    this.#news++;
    if (this.#open.get(mailboxId)?.ask !== ask) return;
    this.#open.delete(mailboxId);
    this.#finished++;
    if (outcome === 'failed' && reason === 'credential_refused') {
      this.#failure ??= 'Microsoft Entra or Graph refuses the credential of the connection';
    }
  }

  /** A mailbox gives its place to another until Graph allows it more. */
  defer({ mailboxId, waitMs }: MailboxWait): void {
    const asked = this.#open.get(mailboxId);
    if (!asked) return;
    this.#open.set(mailboxId, { ...asked, waitsUntil: Date.now() + waitMs });
    this.#news++;
  }

  /** The store is to be asked who still owes a report. */
  review(): void {
    this.#reviewWanted = true;
  }

  /** Where a review is due, asks again for what the store says is not finished; then for as many as there is room for. */
  async fill(): Promise<void> {
    const { window } = this.#of;
    if (this.#reviewWanted) await this.#lookAfter();
    const room = this.#room;
    // A few more than there is room for, so that who reports is followed at once.
    const wanted = Math.max(room, Math.min(window, STRETCH));
    while (this.#ready.length < wanted && this.#after !== undefined) await this.#takeStretch(this.#after);
    await this.#ask(this.#ready.splice(0, this.#room));
  }

  get #room(): number {
    const { size } = this.#open;
    return Math.max(0, Math.min(this.#of.window - size + this.#waiting, MOST_OPEN - size));
  }

  get #waiting(): number {
    const now = Date.now();
    return [...this.#open.values()].filter(({ waitsUntil }) => waitsUntil > now).length;
  }

  /** Waits for a report, until a review is due, or until `interrupted`. */
  async next(interrupted: () => boolean): Promise<void> {
    const seen = this.#news;
    await condition(() => this.#news > seen || this.#reviewWanted || this.#open.size === 0 || interrupted());
  }

  async #lookAfter(): Promise<void> {
    this.#reviewWanted = false;
    const { scanNo } = this.#of;
    const asked = [...this.#open];
    const unfinished = new Set(
      await this.#store.unfinishedMailboxes({ scanNo, mailboxIds: asked.map(([mailboxId]) => mailboxId) }),
    );
    const silent = asked.filter(([mailboxId, { ask }]) => this.#open.get(mailboxId)?.ask === ask);
    for (const [mailboxId] of silent.filter(([id]) => !unfinished.has(id))) {
      this.#open.delete(mailboxId);
      this.#finished++;
    }
    await this.#ask(silent.map(([mailboxId]) => mailboxId).filter((id) => unfinished.has(id)));
  }

  /**
   * Tells the readers that nobody waits any more, and begins the list anew: the store knows who has ended. Readers that
   * others wait for go on.
   */
  async withdraw(): Promise<void> {
    const { organizationId, scanId } = this.#of;
    const asked = [...this.#open.keys()];
    this.#open.clear();
    this.#ready = [];
    this.#after = 0;
    await CancellationScope.nonCancellable(() => withdrawFrom(organizationId, asked, scanId));
  }

  /**
   * Runs `work` under a watch that asks for a review after a silence. One timer for all reports: one for each would
   * cost an action and two events a mailbox.
   */
  async watched<T>(work: () => Promise<T>): Promise<T> {
    const watch = new CancellationScope();
    const watching = watch.run(async () => {
      for (let seen = this.#news; ; seen = this.#news) {
        await sleep(SILENCE);
        if (this.#news === seen) this.#reviewWanted = true;
      }
    });
    watching.catch(() => undefined);
    try {
      return await work();
    } finally {
      watch.cancel();
    }
  }

  async #takeStretch(after: number): Promise<void> {
    const { scanNo } = this.#of;
    const stretch = await this.#store.nextMailboxes({ scanNo, after, limit: STRETCH });
    this.#ready.push(...stretch.mailboxIds);
    this.#after = stretch.mailboxIds.length === STRETCH ? stretch.after : undefined;
  }

  async #ask(mailboxIds: readonly string[]): Promise<void> {
    const { organizationId, scanId, scanNo } = this.#of;
    // Not cancellable, so that a withdrawal never overtakes the start of a reader.
    await CancellationScope.nonCancellable(() =>
      Promise.all(
        mailboxIds.map((mailboxId) => {
          const ask = ++this.#asked;
          // Asked again, it waits on.
          this.#open.set(mailboxId, { ask, waitsUntil: this.#open.get(mailboxId)?.waitsUntil ?? 0 });
          const waiter = { scanId, scanNo, ask };
          return askMailbox(
            organizationId,
            mailboxId,
            { urgency: 'full', waiter },
            {
              ended: (report) => report && this.hear(report),
              lost: () => this.review(),
            },
          );
        }),
      ),
    );
  }
}
