import { Context } from '@temporalio/activity';
import type { MailboxOutcome, MailboxReason, MailboxReport, MailboxWait } from '../model/scan.ts';
import type { BlobStores } from '../store/blobs/blob-store.ts';
import type { Database } from '../store/database.ts';
import { organizationOf } from '../store/organizations.ts';
import { scansOf } from '../store/scans.ts';
import { afterFailure, isFinal } from './attempts.ts';
import type { ByteBudget } from './byte-budget.ts';
import { mailboxWait } from './failures.ts';
import type { GraphConnections } from './graph-connections.ts';
import { historyOf, whileBeating } from './heartbeat.ts';
import { withLease } from './lease.ts';
import type { LiveSettings } from './live-read.ts';
import { readSlice } from './mailbox-slice.ts';
import type { Outboxes } from './outbox.ts';

/** What a slice came to. */
export interface SliceResult {
  /** False: the slice's time was up and another is due. */
  readonly done: boolean;
  readonly outcome: MailboxOutcome;
  readonly reason?: MailboxReason;
  /** Messages of the pages that this slice committed. */
  readonly messages: number;
  /** Whether the waiters have been told that the read is done, but for who is told by the end of the reader. */
  readonly told?: boolean;
}

/** A scan for which a mailbox is read, and the number of its ask. */
export interface SliceWaiter {
  readonly scanId: string;
  readonly scanNo: number;
  readonly ask: number;
  /** Is told by the end of the reader, not by the slice. Default false. */
  readonly byEnd?: boolean;
}

/** What `syncMailbox` has done for it outside. */
export interface MailboxActivities {
  /**
   * Reads pages of a mailbox for some minutes, for the scans given, records how the mailbox stands, and tells the scans
   * once it is done, but for the one that hears of the reader's end.
   */
  readMailbox(input: {
    organizationId: string;
    mailboxId: string;
    waiters: readonly SliceWaiter[];
  }): Promise<SliceResult>;
}

export interface MailboxActivitiesOptions {
  readonly db: Database;
  readonly connections: GraphConnections;
  readonly budget: ByteBudget;
  readonly outboxes: Outboxes;
  readonly blobs: BlobStores;
  readonly log: { warn(facts: object, message: string): void };
  /** Messages asked for in one page. */
  readonly pageSize: number;
  /** Failures of Graph after which a slice gives up. */
  readonly attempts: number;
  /** How long a slice reads before it hands over to the next, ms. */
  readonly sliceMs: number;
  /** How a mailbox is read for a session. */
  readonly live?: Partial<LiveSettings>;
  /** Aborts when the worker is told to end: slices finish the pages that they have asked for. Default: never. */
  readonly stopping?: AbortSignal;
  readonly scans: ScanTeller;
}

/** Signals the workflows of scans. One that has ended needs no telling. */
export interface ScanTeller {
  finished(organizationId: string, scanId: string, report: MailboxReport): Promise<void>;
  waits(organizationId: string, scanId: string, wait: MailboxWait): Promise<void>;
}

/** A scan keeps a mailbox's place where it waits no longer than this. */
const SHORT_WAIT_MS = 15_000;

export function createMailboxActivities(options: MailboxActivitiesOptions): MailboxActivities {
  const { db, connections, budget, outboxes, blobs, log, pageSize, attempts, sliceMs, live, scans: teller } = options;
  const { stopping = new AbortController().signal } = options;
  return {
    async readMailbox({ organizationId, mailboxId, waiters }) {
      const context = Context.current();
      const { cancellationSignal } = context;
      const endsAt = performance.now() + sliceMs;
      const limits = { attempts };
      const historyWith = (error: unknown, now: number) => afterFailure(historyOf(context), error, now);
      let messages = 0;
      const read = whileBeating(async (beat: (progress: { messages: number }) => void) => {
        const organization = await organizationOf(db, organizationId);
        const scanNos = waiters.map(({ scanNo }) => scanNo);
        const [graph, scans] = await Promise.all([connections.graphFor(organizationId), scansOf(db, scanNos)]);
        const leaseOptions = { signal: cancellationSignal, requestTimeoutMs: graph.requestTimeoutMs };
        const result = await withLease(db, organization, mailboxId, leaseOptions, (lease) =>
          readSlice({
            db,
            organization,
            graph,
            mailboxId,
            scans,
            lease,
            budget,
            outbox: outboxes.of(organization),
            blobs: blobs.of(organization),
            log,
            pageSize,
            live,
            givesUp(error) {
              const now = Date.now();
              return isFinal(error, historyWith(error, now), limits, now);
            },
            timeIsUp: () => performance.now() > endsAt || stopping.aborted,
            stopping,
            onPage: (count) => beat({ messages: (messages += count) }),
          }),
        );
        if (!result.done) return { ...result, messages };
        const { outcome, reason } = result;
        const report = { mailboxId, outcome, ...(reason && { reason }) };
        const toTell = waiters.filter(({ byEnd }) => !byEnd);
        await Promise.all(toTell.map(({ scanId, ask }) => teller.finished(organizationId, scanId, { ...report, ask })));
        return { ...result, messages, told: true };
      });
      return read.catch(async (error: unknown) => {
        const now = Date.now();
        const waitMs = mailboxWait(error, historyWith(error, now), limits, now);
        if (waitMs !== undefined && waitMs > SHORT_WAIT_MS) {
          const told = waiters.map(({ scanId }) => teller.waits(organizationId, scanId, { mailboxId, waitMs }));
          // A scan that is not told keeps the place, and loses nothing but time.
          await Promise.allSettled(told);
        }
        throw error;
      });
    },
  };
}
