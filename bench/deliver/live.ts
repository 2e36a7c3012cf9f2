import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { withDefaults } from '../../model/destination.ts';
import { closeDatabase, openDatabase, type Database } from '../../store/database.ts';
import { createDestination } from '../../store/destinations.ts';
import { ensureOrganization, type Organization } from '../../store/organizations.ts';
import { openLiveStage, ORGANIZATION, type Arrival } from '../live-stage.ts';
import { until } from '../rig.ts';
import { percentilesOf, type Percentiles } from './percentiles.ts';
import { SECRET, startReceiver, type Receiver } from './receiver.ts';

const MAILBOXES = 20;
const PER_MINUTE = 100;
/** After which a message that was not accepted is taken for lost. */
const PATIENCE_MS = 120_000;

export interface LiveFigures {
  /** From the row to accepted by the utility, attachments and all; by the clock of the machine. */
  readonly utility: Percentiles;
  /** From arrival in the mailbox to accepted, through a notification. */
  readonly endToEnd: Percentiles;
}

/** Mail that arrives in a tenant with notifications, an eighth of it with attachments, to one utility nearby. */
export async function benchLiveDelivery(
  note: (line: string) => void,
  { minutes = 5 }: { readonly minutes?: number | undefined },
): Promise<LiveFigures> {
  const key = generateKey();
  const folder = await mkdtemp(join(tmpdir(), 'outhaul-bench-blobs-'));
  const receiver = await startReceiver({ kind: 'utility' });
  const stage = await openLiveStage(note, MAILBOXES, { OUTHAUL_KEYS: key, OUTHAUL_BLOBS_DIR: folder });
  const { databaseUrl: url } = stage.rig;
  const db = openDatabase({ url, sealer: parseKeyRing(key), log: pino({ level: 'silent' }) });
  try {
    const organization = await ensureOrganization(db, ORGANIZATION);
    const settings = withDefaults('utility', { endpoint: receiver.url, allowPrivate: true });
    await createDestination(db, organization, {
      kind: 'utility',
      settings,
      name: 'utility',
      starts: 'now',
      secret: SECRET,
    });
    note('A session with notifications starts …');
    await stage.startSession({ polling_mode: 'scheduled' });
    await stage.flow({ ratePerMinute: 300, seconds: 10, seed: 1 });
    note(`${PER_MINUTE} messages a minute for ${minutes} minutes …`);
    const { arrivals } = await stage.flow({ ratePerMinute: PER_MINUTE, seconds: minutes * 60, seed: 2 });
    const acceptedMs = await acceptances(receiver, arrivals);
    const owedMs = await owedAt(db, organization);
    const took = (since: (arrival: Arrival) => number): Percentiles =>
      percentilesOf(arrivals.map((arrival) => acceptedMs.get(arrival.messageId)! - since(arrival)));
    await stage.stopSession();
    return {
      utility: took(({ messageId }) => owedMs.get(messageId)!),
      endToEnd: took(({ arrivedMs }) => arrivedMs),
    };
  } finally {
    await receiver.close();
    await closeDatabase(db);
    await stage.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** When each message was accepted first. */
async function acceptances(receiver: Receiver, arrivals: readonly Arrival[]): Promise<ReadonlyMap<string, number>> {
  const givenUpAt = performance.now() + PATIENCE_MS;
  return until(async () => {
    const accepted = (await receiver.accepted()).reverse();
    const acceptedMs = new Map(accepted.map(({ messageId, atMs }) => [messageId, atMs]));
    const missing = arrivals.filter(({ messageId }) => !acceptedMs.has(messageId)).length;
    if (missing === 0) return acceptedMs;
    if (performance.now() > givenUpAt) throw new Error(`${missing} of ${arrivals.length} messages were not delivered`);
    return undefined;
  }, 500);
}

async function owedAt({ pool }: Database, { schema }: Organization): Promise<ReadonlyMap<string, number>> {
  const { rows } = await pool.query<{ id: string; ms: number }>(
    `SELECT e.id, extract(epoch FROM owed_at)::float8 * 1000 AS ms
      FROM outhaul.deliveries d JOIN ${schema}.emails e ON e._no = d.email_no`,
  );
  return new Map(rows.map(({ id, ms }) => [id, ms]));
}
