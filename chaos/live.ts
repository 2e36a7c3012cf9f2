import { pause } from '../embedded/pause.ts';
import { chaosApi } from './api.ts';
import { carryOut } from './chaos.ts';
import { planOf } from './plan.ts';
import { reconcile, unexplainedOf, type Reconciliation } from './reconcile.ts';
import { concurrencyFaults, peakLines } from './report.ts';
import type { RunOptions } from './run.ts';
import { ORGANIZATION, Scans } from './scans.ts';
import { Session } from './session.ts';
import type { SimulatedTenant } from './simulator.ts';
import type { Stage } from './stage.ts';

/** The last line of a run with `--live`. */
export interface LiveReport extends Reconciliation {
  readonly seed: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly kills: number;
  /** Sessions that were started, and those that ended though nobody had stopped them. */
  readonly sessions: number;
  readonly sessionsLost: number;
  /** After faults have ended and the session has swept once; the figures above are those after a poll as well. */
  readonly afterSweep: Omit<Reconciliation, 'messages'>;
  readonly unexplained: number;
  readonly peakMailboxConcurrency: number;
  /** Of the last session: new messages that a notification named, and that none did. */
  readonly told: number;
  readonly missed: number;
  /** How its notifications stand at the end, and how many mailboxes Graph notifies of. */
  readonly webhook: { readonly status: string; readonly active: number };
  readonly notifications: { readonly made: number; readonly delivered: number };
}

/** How long notifications that were refused may take to come again. */
const ON_THEIR_WAY_MS = 60_000;
const LOOK_EVERY_MS = 250;

/**
 * Follows a tenant by a session while mail flows, is told badly, and everything around it fails. Then the faults end, and
 * one sweep must have found every message. A poll reads every folder's changes once more, for a change that moves no
 * counter and whose notification is lost is only found by a day's delta; then each field must be right.
 */
export async function runLive(stage: Stage, { seed, minutes, say, signal }: RunOptions): Promise<LiveReport> {
  const { simulator } = stage;
  const api = chaosApi(stage.api, signal);
  const { tenantId, clientId, clientSecret } = simulator;
  const auth = { tenantId, clientId, clientSecret };
  const session = new Session({ api, auth, say, signal });
  await simulator.notifyBadly(Math.max(1, minutes * 60));
  await session.begin();
  say('A session runs');
  if (minutes > 0) await simulator.beHostile();
  const done = await carryOut(planOf({ seed, minutes, deck: 'live' }), {
    people: (act, forMs) => (act.kind === 'session' ? session.suffer(act, forMs) : Promise.resolve()),
    ...{ stage, say, signal },
  });

  say('The faults are over; some more mail arrives, of which Graph notifies as badly');
  await session.ensureRunning();
  await session.subscribed();
  await simulator.someArrive();
  say('Sweeping once');
  await simulator.notifyWell();
  const graphFaults = await simulator.calm();
  await session.ensureRunning();
  await untilTold(simulator, signal);
  await session.swept();
  const { messages: _, ...afterSweep } = await reconcile(stage, { say, signal });
  const { loss, services } = await session.status();
  const { status, subscriptions } = services.webhook;

  say('Polling once more');
  const polled = await api.insist('POST', `/polling/trigger?organizationId=${ORGANIZATION}`);
  if (polled.status !== 202) throw new Error(`No poll: ${polled.status} ${JSON.stringify(polled.body)}`);
  const scans = new Scans({ api, auth, seed, say, signal });
  const last = await scans.untilEnded(String(polled.body['scanId']));
  say(`The poll has ended: ${String(last['status'])} ${last['errorMessage'] as string | null}`);
  const { messages, missing, duplicated, different } = await reconcile(stage, { say, signal });
  const { made, delivered } = await simulator.notifications();
  const { peakMailboxConcurrency, mailboxPeak } = await simulator.stats();
  for (const line of peakLines(mailboxPeak)) say(line);
  return {
    ...{ seed, faults: { ...done.counts, ...graphFaults }, kills: done.kills.length },
    ...{ sessions: session.started, sessionsLost: session.endedByItself },
    ...{ messages, missing, duplicated, different },
    afterSweep,
    unexplained: await unexplainedOf(api, last, { messages }),
    peakMailboxConcurrency,
    ...{ told: loss.told, missed: loss.missed, webhook: { status, active: subscriptions.active } },
    notifications: { made, delivered },
  };
}

/** What a run with `--live` is failed for, in words; nothing where it passed. */
export function liveFaultsOf(report: LiveReport): string[] {
  const { missing, duplicated, different, unexplained, sessionsLost, afterSweep, peakMailboxConcurrency } = report;
  const { told, missed, webhook } = report;
  const wrong = {
    ...{ missing, duplicated, different, unexplained },
    'sessions that ended by themselves': sessionsLost,
    'missing after the sweep': afterSweep.missing,
    'duplicated after the sweep': afterSweep.duplicated,
  };
  return [
    ...Object.entries(wrong).flatMap(([what, count]) => (count === 0 ? [] : [`${count} ${what}`])),
    ...(told + missed === 0
      ? [`no new message, told or missed, though Graph notifies of ${webhook.active} mailboxes (${webhook.status})`]
      : []),
    ...concurrencyFaults(peakMailboxConcurrency),
  ];
}

/** Waits for notifications that are on their way; what has not come after a while is for the sweep to find. */
async function untilTold(simulator: SimulatedTenant, signal: AbortSignal): Promise<void> {
  for (const givenUpAt = Date.now() + ON_THEIR_WAY_MS; Date.now() < givenUpAt;) {
    const { pending } = await simulator.notifications();
    if (pending === 0) return;
    await pause(LOOK_EVERY_MS, signal);
  }
}
