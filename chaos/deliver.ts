import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import pg from 'pg';
import { openTruth } from '../cli/demo/truth.ts';
import { pause } from '../embedded/pause.ts';
import type { TruthAttachment } from '../simulator/index.ts';
import { organizationOf, type Organization } from '../store/organizations.ts';
import { chaosApi, type ChaosApi } from './api.ts';
import { carryOut } from './chaos.ts';
import { handedOn, type HandedOn } from './handed-on.ts';
import { readFolder, readList, readOutbox } from './outbox.ts';
import { planOf } from './plan.ts';
import { reconcile, withDatabase, type Reconciliation } from './reconcile.ts';
import type { Receivers } from './receivers.ts';
import { concurrencyFaults, peakLines } from './report.ts';
import type { RunOptions } from './run.ts';
import { ORGANIZATION, Scans } from './scans.ts';
import { Session } from './session.ts';
import type { Stage } from './stage.ts';

/** The last line of a run with `--deliver`. */
export interface DeliverReport extends Reconciliation, HandedOn {
  readonly seed: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly attachments: number;
  /** Attachments that the tenant has and the store has not, or otherwise. */
  readonly attachmentsDifferent: number;
  readonly peakMailboxConcurrency: number;
}

const LIST = 'chaos';
const LOOK_EVERY_MS = 500;
const STUCK_AFTER_MS = 300_000;

/**
 * Hands on all mail of a tenant, and what arrives in it, to a Redis list, a utility, a batch receiver and a folder, while
 * all of these, the product and what it needs are killed, frozen and cut off. Then the faults end, and whatever was owed
 * must have arrived, in order where there is one, or be a dead letter.
 */
export async function runDeliver(stage: Stage, { seed, minutes, say, signal }: RunOptions): Promise<DeliverReport> {
  const { simulator, receivers } = stage;
  if (!receivers) throw new Error('The stage has nobody to hand mail on to');
  const api = chaosApi(stage.api, signal);
  const { tenantId, clientId, clientSecret } = simulator;
  const auth = { tenantId, clientId, clientSecret };
  const session = new Session({ api, auth, say, signal });
  await session.connect();
  await createDestinations(api, receivers);
  await simulator.notifyBadly(Math.max(1, minutes * 60));
  await session.begin();
  say('A session runs, and hands on what it stores');
  if (minutes > 0) await simulator.beHostile();
  const done = await carryOut(planOf({ seed, minutes, deck: 'deliver' }), {
    people: (act, forMs) => (act.kind === 'session' ? session.suffer(act, forMs) : Promise.resolve()),
    ...{ stage, say, signal },
  });

  say('The faults are over; letting everything arrive');
  await receivers.calm();
  await simulator.notifyWell();
  const graphFaults = await simulator.calm();
  await session.ensureRunning();
  await session.swept();
  const scans = new Scans({ api, auth, seed, say, signal });
  await scans.untilEnded(await scans.start('full'));
  await untilNothingIsOwed(api, signal);
  const organization = await withDatabase(stage, (db) => organizationOf(db, ORGANIZATION));
  const before = await readOutbox(stage.databaseUrl(), organization);
  // Of what Graph refused once for good, as a fault that looks like that makes it, an operator has it tried again.
  const retried = await api.insist('POST', `/api/v1/dead-letters/retry?organizationId=${ORGANIZATION}`, { all: true });
  say(`Dead letters tried again: ${retried.status} ${JSON.stringify(retried.body)}`);
  await untilNothingIsOwed(api, signal);
  for (const line of await deadLetterLines(api)) say(line);
  const { messages, missing, duplicated, different } = await reconcile(stage, { say, signal });
  const outbox = await readOutbox(stage.databaseUrl(), organization);
  const result = handedOn(outbox, {
    receipts: await receivers.receipts(),
    list: await readList(receivers.redisUrl, LIST),
    files: await readFolder(receivers.folder),
    triedAgain: new Set(
      before.deliveries.filter(({ status }) => status === 'dead').map(({ deliveryNo }) => deliveryNo),
    ),
  });
  const attachments = await compareAttachments(stage, organization, signal);
  const { peakMailboxConcurrency, mailboxPeak } = await simulator.stats();
  for (const line of peakLines(mailboxPeak)) say(line);
  return {
    ...{ seed, faults: { ...done.counts, ...graphFaults }, kills: done.kills.length },
    ...{ messages, missing, duplicated, different },
    ...{ ...attachments, ...result, peakMailboxConcurrency },
  };
}

/** What a run with `--deliver` is failed for, in words; nothing where it passed. */
export function deliverFaultsOf(report: DeliverReport): string[] {
  const { missing, duplicated, different, attachmentsDifferent, unowed, undecided, lost, altered } = report;
  const { twoKeys, outOfOrder, delivered, peakMailboxConcurrency } = report;
  const wrong = {
    ...{ missing, duplicated, different, lost, undecided, altered },
    'attachments missing or different': attachmentsDifferent,
    'stored and owed to nobody': unowed,
    'under two keys': twoKeys,
    'out of order': outOfOrder,
  };
  return [
    ...Object.entries(wrong).flatMap(([what, count]) => (count === 0 ? [] : [`${count} ${what}`])),
    ...(delivered === 0 ? ['nothing was delivered'] : []),
    ...concurrencyFaults(peakMailboxConcurrency),
  ];
}

async function createDestinations(api: ChaosApi, { lines, folder }: Receivers): Promise<void> {
  const redis = `redis://127.0.0.1:${lines.redis.port}`;
  const endpoint = `http://127.0.0.1:${lines.utility.port}`;
  const secret = { token: 'chaos-receives-this' };
  const wanted = [
    { kind: 'redis_list', settings: { url: redis, list: LIST, maxLength: 1_000_000, allowPrivate: true } },
    { kind: 'folder', settings: { directory: folder } },
    { kind: 'utility', settings: { endpoint, allowPrivate: true, timeoutSeconds: 10 }, secret },
    { kind: 'batch', settings: { endpoint, allowPrivate: true, timeoutSeconds: 10, batchItems: 20 }, secret },
  ];
  for (const one of wanted) {
    const body = { organizationId: ORGANIZATION, name: one.kind, ...one };
    const answer = await api.insist('POST', '/api/v1/destinations', body);
    if (answer.status !== 201) throw new Error(`No ${one.kind}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
}

interface Standing {
  readonly name: string;
  readonly waiting: number;
  readonly owed: number;
  readonly sending: number;
}

/** Waits until no destination is owed anything. @throws where nothing moves for minutes */
async function untilNothingIsOwed(api: ChaosApi, signal: AbortSignal): Promise<void> {
  let before = '';
  for (let movedAt = Date.now(); ; await pause(LOOK_EVERY_MS, signal)) {
    const { body } = await api.insist('GET', `/api/v1/destinations?organizationId=${ORGANIZATION}`);
    const destinations = body['destinations'] as readonly Standing[];
    const standing = destinations.map(({ name, waiting, owed, sending }) => ({ name, waiting, owed, sending }));
    if (standing.every(({ waiting, owed, sending }) => waiting + owed + sending === 0)) return;
    const now = JSON.stringify(standing);
    if (now !== before) [before, movedAt] = [now, Date.now()];
    if (Date.now() - movedAt > STUCK_AFTER_MS) throw new Error(`Deliveries stand still: ${now}`);
  }
}

/** The dead letters of the first page, each in a line: what an operator would look at. */
async function deadLetterLines(api: ChaosApi): Promise<string[]> {
  const { body } = await api.insist('GET', `/api/v1/dead-letters?organizationId=${ORGANIZATION}`);
  const letters = body['letters'] as readonly { readonly cause: string | null; readonly error: string | null }[];
  return letters.map(({ cause, error }) => `A dead letter: ${cause ?? 'no cause'}, ${error ?? 'without words'}`);
}

/**
 * Compares the attachments that are stored with those that the tenant has, by id and bytes; links have none. Those of drafts
 * are not read, for nobody is owed them.
 */
async function compareAttachments(
  { simulator, databaseUrl }: Stage,
  { schema }: Organization,
  signal: AbortSignal,
): Promise<{ readonly attachments: number; readonly attachmentsDifferent: number }> {
  const client = new pg.Client({ connectionString: databaseUrl() });
  await client.connect();
  const stored = await client.query<{ message: string; id: string; sha256: string | null }>(
    `SELECT message_id AS message, id, sha256 FROM ${schema}.attachments`,
  );
  const drafts = await client.query<{ id: string }>(`SELECT id FROM ${schema}.emails WHERE is_draft`);
  await client.end();
  const unsent = new Set(drafts.rows.map(({ id }) => id));
  const hashes = new Map(stored.rows.map(({ message, id, sha256 }) => [JSON.stringify([message, id]), sha256]));
  let [attachments, attachmentsDifferent] = [0, 0];
  for await (const { message, id, sha256 } of trueAttachments(simulator.url, signal)) {
    if (unsent.has(message)) continue;
    attachments++;
    const key = JSON.stringify([message, id]);
    if (!hashes.has(key) || hashes.get(key) !== sha256) attachmentsDifferent++;
  }
  return { attachments, attachmentsDifferent };
}

/** Of all mailboxes that can be read. */
async function* trueAttachments(url: string, signal: AbortSignal): AsyncGenerator<TruthAttachment> {
  const mailboxes = await openTruth(url, signal).mailboxes();
  for (const { id } of mailboxes.filter(({ readable }) => readable)) {
    const { body } = await fetch(`${url}/_sim/truth/attachments.ndjson?mailbox=${encodeURIComponent(id)}`);
    if (body === null) throw new Error('The simulator answered without a body');
    const lines = createInterface({ input: Readable.fromWeb(body), crlfDelay: Infinity });
    for await (const line of lines) yield JSON.parse(line) as TruthAttachment;
  }
}
