import type { DataFolder } from '../embedded/data-folder.ts';
import { ensureOrganization } from '../store/organizations.ts';
import { chaosApi } from './api.ts';
import { carryOut } from './chaos.ts';
import { deliverFaultsOf, runDeliver } from './deliver.ts';
import { liveFaultsOf, runLive } from './live.ts';
import { planOf } from './plan.ts';
import { reconcile, unexplainedOf, withDatabase } from './reconcile.ts';
import { recoveriesOf } from './recovery.ts';
import { faultsOf, peakLines, recoveryLines, reportOf, type Report } from './report.ts';
import { rereadsOf } from './reread.ts';
import { ORGANIZATION, Scans } from './scans.ts';
import { openStage, type Stage } from './stage.ts';
import type { TemporalKind } from './temporal.ts';
import { readEvents, recordEvents } from './timeline.ts';

export interface RunOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly workers: number;
  readonly mailboxes: number;
  /** In all mailboxes together. */
  readonly messages: number;
  /** A session among faults, not scans. Default: false. */
  readonly live?: boolean;
  /** A session that hands on what it stores. Default: false. */
  readonly deliver?: boolean;
  readonly temporal: TemporalKind;
  readonly folder: DataFolder;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  /** Told how to end everything at once. */
  readonly atOnce: (end: () => void) => void;
}

export interface Outcome {
  /** The last line of the run. */
  readonly report: object;
  /** What the run is failed for, in words. */
  readonly faults: readonly string[];
}

/**
 * Runs the product among faults for some minutes, lets it finish, reads everything once more without faults, and compares
 * what is stored with what the tenant holds.
 */
export async function run(options: RunOptions): Promise<Outcome> {
  const { seed, workers, mailboxes, messages, temporal, folder, say, signal, atOnce } = options;
  say(`Starting PostgreSQL, Temporal, a simulator, the API and ${workers} workers in ${folder.folder}`);
  const tenant = { mailboxes, messages, seed };
  const stage = await openStage({ folder, workers, tenant, temporal, deliver: options.deliver ?? false, say, signal });
  atOnce(stage.end);
  const endAtOnce = (): void => stage.end();
  signal.addEventListener('abort', endAtOnce);
  try {
    const outcome = await outcomeOf(stage, options);
    for (const { name, endedByItself } of stage.subjects) {
      if (endedByItself > 0) say(`${name} ended by itself ${endedByItself} times`);
    }
    await stage.stop();
    return outcome;
  } catch (error) {
    stage.end();
    throw error;
  } finally {
    signal.removeEventListener('abort', endAtOnce);
  }
}

function outcomeOf(stage: Stage, options: RunOptions): Promise<Outcome> {
  if (options.deliver) return delivered(stage, options);
  return options.live ? live(stage, options) : scanned(stage, options);
}

async function delivered(stage: Stage, options: RunOptions): Promise<Outcome> {
  const report = await runDeliver(stage, options);
  return { report, faults: deliverFaultsOf(report) };
}

async function live(stage: Stage, options: RunOptions): Promise<Outcome> {
  const report = await runLive(stage, options);
  return { report, faults: liveFaultsOf(report) };
}

async function scanned(stage: Stage, options: RunOptions): Promise<Outcome> {
  const report = await runScans(stage, options);
  return { report, faults: faultsOf(report) };
}

async function runScans(stage: Stage, { seed, minutes, say, signal }: RunOptions): Promise<Report> {
  await withDatabase(stage, async (db) =>
    recordEvents(stage.databaseUrl(), await ensureOrganization(db, ORGANIZATION)),
  );
  const api = chaosApi(stage.api, signal);
  const { tenantId, clientId, clientSecret } = stage.simulator;
  const auth = { tenantId, clientId, clientSecret };
  const scans = new Scans({ api, auth, seed, say, signal });
  scans.begin();
  if (minutes > 0) await stage.simulator.beHostile();
  const done = await carryOut(planOf({ seed, minutes }), {
    people: (act, forMs) => (act.kind === 'session' ? Promise.resolve() : scans.suffer(act, forMs)),
    ...{ stage, say, signal },
  });

  say('The faults are over; letting everything finish');
  const graphFaults = await stage.simulator.calm();
  await scans.finish();
  say('Reading everything once more');
  const last = await scans.untilEnded(await scans.start('full'));
  say(`The last scan has ended: ${String(last['status'])} ${last['errorMessage'] as string | null}`);
  const reconciliation = await reconcile(stage, { say, signal });
  const { peakMailboxConcurrency, mailboxPeak } = await stage.simulator.stats();
  for (const line of peakLines(mailboxPeak)) say(line);
  const events = await readEvents(stage.databaseUrl());
  const recoveries = recoveriesOf(done.kills, { events, incidents: done.incidents });
  for (const line of recoveryLines(recoveries, done.kills)) say(line);
  const rereads = rereadsOf(done.deeds, { events, requests: stage.pages.requests });
  for (const { target, at } of rereads.committed)
    say(`${new Date(at).toISOString()}: read again though committed: ${target}`);
  return reportOf({
    ...{ seed, done, graphFaults, reconciliation, recoveries, rereads, peakMailboxConcurrency },
    scans: scans.ended.size,
    unexplained: await unexplainedOf(api, last, reconciliation),
  });
}
