import { Context } from '@temporalio/activity';
import { GraphError } from '../graph/errors.ts';
import type { Graph } from '../graph/graph.ts';
import { skipReasonOf } from '../model/mailbox-filter.ts';
import type { FinalScanStatus, MailboxReason } from '../model/scan.ts';
import { loadConnection, organizationsSharing, promoteCandidate } from '../store/connections.ts';
import type { Database } from '../store/database.ts';
import { organizationOf } from '../store/organizations.ts';
import { markDiscovered, pauseScan, reopenScan, resumeScan } from '../store/scan-controls.ts';
import { finishScan } from '../store/scan-end.ts';
import { finishMailbox, nextMailboxes, recordUsers, unfinishedMailboxes } from '../store/scan-mailboxes.ts';
import { scanByNo, takeSlot } from '../store/scans.ts';
import { ConnectionMissing, type GraphConnections } from './graph-connections.ts';
import { whileBeating } from './heartbeat.ts';
import { warnOfSharing } from './shared-app.ts';

/** How the check of a scan's credential went. */
export type CredentialVerdict =
  { readonly status: 'accepted' } | { readonly status: 'refused' | 'unreachable'; readonly reason: string };

/** A stretch of the tenant's mailboxes, in a stable order. */
export interface MailboxStretch {
  readonly mailboxIds: readonly string[];
  /** Where the next stretch starts. */
  readonly after: number;
}

/**
 * What `scanTenant` has done for it outside. `step` numbers what changes how the scan stands, over all runs of its
 * workflow: an attempt that comes late, after a later step, changes nothing.
 */
export interface ScanActivities {
  /**
   * Tries the scan's candidate credential, or the organization's active one. A candidate that works replaces the
   * active one; a scan whose credential is refused ends as failed, with the reason.
   */
  checkCredential(input: { organizationId: string; scanNo: number; step?: number }): Promise<CredentialVerdict>;
  /** Lets the scan run if fewer than the allowed number run, first come first served. */
  takeTurn(input: { scanNo: number }): Promise<'running' | 'pending'>;
  /** The scan stands still: it gives its turn back, and what it was reading waits. Returns whose turn may be next. */
  pauseScan(input: { scanNo: number; step: number }): Promise<{ readonly waiting: readonly ScanName[] }>;
  /** A paused scan waits for its turn. */
  resumeScan(input: { scanNo: number; step: number }): Promise<void>;
  /** Opens a scan again that has ended: what was not read waits. Returns whether the users were listed before. */
  reopenScan(input: { scanNo: number; step: number }): Promise<{ readonly discovered: boolean }>;
  /** Lists the tenant's users into the store. */
  discoverMailboxes(input: { organizationId: string; scanNo: number }): Promise<{ readonly mailboxes: number }>;
  /** The next mailboxes to read. An empty stretch is the end. */
  nextMailboxes(input: { scanNo: number; after: number; limit: number }): Promise<MailboxStretch>;
  /** Of the mailboxes given, those that the store does not know as finished. */
  unfinishedMailboxes(input: { scanNo: number; mailboxIds: readonly string[] }): Promise<readonly string[]>;
  /** Records that a mailbox could not be read. The first final state of a mailbox stays. */
  recordFailedMailbox(input: {
    scanNos: readonly number[];
    organizationId: string;
    mailboxId: string;
    reason: MailboxReason;
  }): Promise<void>;
  /** Ends the scan in the store; returns its final status and the scans that may take their turn now. */
  finishScan(input: {
    organizationId: string;
    scanNo: number;
    /** `ran`: to the end of its list; the final status follows from its mailboxes. */
    end: 'ran' | 'cancelled' | 'failed';
    /** Why it failed, without personal data. */
    message?: string;
    step?: number;
  }): Promise<{ readonly status: FinalScanStatus; readonly waiting: readonly ScanName[] }>;
}

/** Which scan. */
export interface ScanName {
  readonly organizationId: string;
  readonly scanId: string;
}

export interface ScanActivitiesOptions {
  readonly db: Database;
  readonly connections: GraphConnections;
  readonly maxConcurrentScans: number;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

export function createScanActivities({
  db,
  connections,
  maxConcurrentScans,
  log,
}: ScanActivitiesOptions): ScanActivities {
  return {
    async checkCredential({ organizationId, scanNo, step }) {
      const [connection, scan] = await Promise.all([loadConnection(db, scanNo), scanByNo(db, scanNo)]);
      if (!connection) throw new ConnectionMissing();
      const graph = connections.open(connection);
      const { cancellationSignal } = Context.current();
      const sample = sampleOf(scan.filters.mailboxes?.include);
      const verdict = await tryCredential(graph, cancellationSignal, sample).finally(() => graph.close());
      if (verdict.status === 'accepted') {
        if (await promoteCandidate(db, scanNo)) {
          warnOfSharing(log, organizationId, await organizationsSharing(db, organizationId, connection));
        }
      } else {
        const { status, reason } = verdict;
        log.warn({ organizationId, scanNo, status, reason }, 'Credential validation failed');
        await finishScan(db, scanNo, { end: 'failed', message: reason, maxConcurrent: maxConcurrentScans, step });
      }
      return verdict;
    },

    takeTurn: ({ scanNo }) => takeSlot(db, scanNo, maxConcurrentScans),

    pauseScan: ({ scanNo, step }) => pauseScan(db, { scanNo, step, maxConcurrent: maxConcurrentScans }),

    async resumeScan({ scanNo, step }) {
      await resumeScan(db, { scanNo, step });
    },

    reopenScan: ({ scanNo, step }) => reopenScan(db, { scanNo, step }),

    discoverMailboxes: ({ organizationId, scanNo }) =>
      whileBeating(async (beat: (progress: DiscoveryProgress) => void, before) => {
        const { cancellationSignal: signal } = Context.current();
        const [organization, graph, scan, connection] = await Promise.all([
          organizationOf(db, organizationId),
          connections.graphFor(organizationId),
          scanByNo(db, scanNo),
          loadConnection(db, scanNo),
        ]);
        const tenantId = connection?.tenantId ?? '';
        let mailboxes = before?.mailboxes ?? 0;
        for await (const page of graph.users(before ? { link: before.link } : {}, signal)) {
          const users = page.users.map((user) => {
            const skip = skipReasonOf(user, scan.filters.mailboxes);
            return skip ? { user, skip } : { user };
          });
          await recordUsers(db, organization, { scanNo, tenantId, users });
          mailboxes += users.length;
          if (page.next !== undefined) beat({ link: page.next, mailboxes });
        }
        await markDiscovered(db, scanNo);
        return { mailboxes };
      }),

    nextMailboxes: ({ scanNo, after, limit }) => nextMailboxes(db, scanNo, after, limit),

    unfinishedMailboxes: ({ scanNo, mailboxIds }) => unfinishedMailboxes(db, scanNo, [...mailboxIds]),

    recordFailedMailbox: ({ scanNos, mailboxId, reason }) =>
      finishMailbox(db, { scanNos, mailboxId, outcome: 'failed', reason }),

    async finishScan({ organizationId, scanNo, end, message, step }) {
      const ended = await finishScan(db, scanNo, {
        end,
        maxConcurrent: maxConcurrentScans,
        step,
        ...(message !== undefined && { message }),
      });
      const ranToItsEnd = ended.status === 'completed' || ended.status === 'completed_with_errors';
      log.info(
        { organizationId, scanNo, status: ended.status },
        ranToItsEnd ? 'Email extraction completed' : 'Email extraction ended early',
      );
      return ended;
    },
  };
}

/** Where discovery goes on after an interruption. */
interface DiscoveryProgress {
  readonly link: string;
  readonly mailboxes: number;
}

/** Mailboxes that the scan names and the app is therefore meant to read: ids and addresses, but no domains. */
function sampleOf(include: readonly string[] | undefined): readonly string[] | undefined {
  const named = include?.filter((name) => name.indexOf('@') > 0 || GUID.test(name));
  return named?.length ? named : undefined;
}

const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

async function tryCredential(
  graph: Graph,
  signal: AbortSignal,
  sample: readonly string[] | undefined,
): Promise<CredentialVerdict> {
  try {
    await graph.checkCredential(signal, sample);
    return { status: 'accepted' };
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    const reason = error.reason ?? error.message;
    const refused = error.kind === 'credential_refused' || error.kind === 'permission_missing';
    return { status: refused ? 'refused' : 'unreachable', reason };
  }
}
