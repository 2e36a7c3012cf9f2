import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import pLimit from 'p-limit';
import { GraphError } from '../graph/errors.ts';
import { MOST_PROBED, type Graph, type TreeProbe } from '../graph/graph.ts';
import type { Database } from '../store/database.ts';
import { organizationOf } from '../store/organizations.ts';
import { openSession } from '../store/sessions.ts';
import { endSweep, mailboxesToProbe, saveProbes, type ProbeOutcome, type SweptMailbox } from '../store/sweep.ts';
import type { GraphConnections } from './graph-connections.ts';
import { whileBeating } from './heartbeat.ts';

/** What a sweep came to. */
export interface SweepResult {
  /** Mailboxes that were probed. */
  readonly mailboxes: number;
  /** Of those, how many are due for a delta round; their readers have been asked. */
  readonly changed: number;
  /** Mailboxes that Graph does not let be read, or knows no longer. */
  readonly skipped: number;
  /** Mailboxes of which Graph told nothing now, throttled or failing: the next sweep asks again. */
  readonly untold: number;
  readonly ms: number;
}

/** What `sweepMailboxes` has done for it outside. */
export interface SweepActivities {
  /**
   * Probes each mailbox of the organization's running session with one request, and has those read that have changed.
   * Goes on where an attempt before it was lost.
   */
  probeMailboxes(input: { organizationId: string }): Promise<SweepResult>;
}

export interface SweepActivitiesOptions {
  readonly db: Database;
  readonly connections: GraphConnections;
  /** Has a mailbox read for nobody in particular: starts its reader, or signals the one that runs. */
  readonly wakeReader: (organizationId: string, mailboxId: string) => Promise<void>;
  /** Takes the Schedule of the sweep away, which a worker that woke up late may have made after the session's end. */
  readonly removeSchedule?: (organizationId: string) => Promise<void>;
  /** Mailboxes between two writes. Default 500. */
  readonly stretch?: number;
  /** Pause after each 20 readers that were asked, ms. Default 200: so many readers at most begin at a time. */
  readonly pauseMs?: number;
}

/** Requests at a time, each for several mailboxes. */
const BATCHES_AT_ONCE = 8;
/** Readers asked between two pauses. */
const WOKEN_AT_ONCE = 20;

/** Where a sweep goes on after an interruption. */
interface SweepProgress extends Omit<SweepResult, 'ms'> {
  readonly sessionNo: number;
  readonly after: string;
  /** `Date.now()` of the worker that began. */
  readonly startedAt: number;
}

export function createSweepActivities(options: SweepActivitiesOptions): SweepActivities {
  const { db, connections, wakeReader, removeSchedule, stretch: limit = 500, pauseMs = 200 } = options;

  async function wake(organizationId: string, mailboxIds: readonly string[], signal: AbortSignal): Promise<void> {
    for (let at = 0; at < mailboxIds.length; at += WOKEN_AT_ONCE) {
      if (at > 0) await delay(pauseMs, undefined, { signal });
      await Promise.all(mailboxIds.slice(at, at + WOKEN_AT_ONCE).map((id) => wakeReader(organizationId, id)));
    }
  }

  return {
    probeMailboxes: ({ organizationId }) =>
      whileBeating(async (beat: (progress: SweepProgress) => void, before) => {
        const { cancellationSignal: signal } = Context.current();
        const session = await openSession(db, organizationId);
        if (!session) await removeSchedule?.(organizationId);
        if (!session || session.status === 'stopping') return { ...NOTHING, ms: 0 };
        const { sessionNo } = session;
        const organization = await organizationOf(db, organizationId);
        const isSame = before?.sessionNo === sessionNo;
        let progress: SweepProgress = isSame ? before : { ...NOTHING, sessionNo, after: '', startedAt: Date.now() };
        for (;;) {
          const graph = await connections.graphFor(organizationId);
          const lostForMs = 2 * graph.requestTimeoutMs;
          const { after } = progress;
          const stretch = await mailboxesToProbe(db, organization, { sessionNo, after, limit, lostForMs });
          const outcomes = await look(graph, stretch, signal);
          const due = await saveProbes(db, organization, { sessionNo, outcomes });
          await wake(organizationId, due, signal);
          progress = {
            ...progress,
            after: stretch.at(-1)?.mailboxId ?? after,
            mailboxes: progress.mailboxes + stretch.length,
            changed: progress.changed + due.length,
            skipped: progress.skipped + outcomes.filter((outcome) => 'skip' in outcome).length,
            untold: progress.untold + stretch.length - outcomes.length,
          };
          if (stretch.length < limit) break;
          beat(progress);
        }
        const { startedAt, after: _after, sessionNo: _no, ...counts } = progress;
        const ms = Date.now() - startedAt;
        await endSweep(db, { sessionNo, ms, changed: counts.changed });
        return { ...counts, ms };
      }),
  };
}

const NOTHING = { mailboxes: 0, changed: 0, skipped: 0, untold: 0 };

async function probeAll(
  graph: Graph,
  mailboxes: readonly SweptMailbox[],
  signal: AbortSignal,
): Promise<Map<string, TreeProbe>> {
  const batches = Array.from({ length: Math.ceil(mailboxes.length / MOST_PROBED) }, (_, at) =>
    mailboxes.slice(at * MOST_PROBED, (at + 1) * MOST_PROBED),
  );
  const failing = new AbortController();
  const both = AbortSignal.any([signal, failing.signal]);
  const limit = pLimit(BATCHES_AT_ONCE);
  const probes = batches.map((batch) =>
    limit(async () => {
      both.throwIfAborted();
      return graph.probeTrees(batch, both);
    }).catch((error: unknown) => {
      failing.abort(error);
      throw error;
    }),
  );
  const settled = await Promise.allSettled(probes);
  if (failing.signal.aborted) throw failing.signal.reason;
  return new Map(settled.flatMap((one) => (one.status === 'fulfilled' ? [...one.value] : [])));
}

/**
 * Probes the mailboxes but for those whose reader was lost a moment ago: its requests may go on at Graph beside a
 * successor's. They are due for a round in any case.
 */
async function look(graph: Graph, stretch: readonly SweptMailbox[], signal: AbortSignal): Promise<ProbeOutcome[]> {
  const lost = stretch.filter((mailbox) => mailbox.lost);
  const others = stretch.filter((mailbox) => !mailbox.lost);
  const probes = await probeAll(graph, others, signal);
  const told = [...probes].flatMap(([mailboxId, probe]) => outcomeOf(mailboxId, probe) ?? []);
  return [...told, ...lost.map(({ mailboxId }) => ({ mailboxId, changed: true, link: null }))];
}

/** Undefined where the probe told nothing. */
function outcomeOf(mailboxId: string, probe: TreeProbe): ProbeOutcome | undefined {
  if (!(probe instanceof GraphError)) return { mailboxId, ...probe };
  if (probe.kind === 'mailbox_missing') return { mailboxId, skip: 'no_mailbox' };
  return probe.kind === 'mailbox_denied' ? { mailboxId, skip: 'denied' } : undefined;
}
