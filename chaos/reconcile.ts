import { pino } from 'pino';
import { compareWithTruth, type Comparison } from '../cli/demo/comparison.ts';
import { openTruth } from '../cli/demo/truth.ts';
import { parseKeyRing } from '../config/key-ring.ts';
import { closeDatabase, openDatabase, type Database } from '../store/database.ts';
import { countEmails, emailsById } from '../store/email-lookup.ts';
import { organizationOf } from '../store/organizations.ts';
import type { CoverageTotals } from '../store/coverage.ts';
import type { Answer, ChaosApi } from './api.ts';
import { ORGANIZATION } from './scans.ts';
import type { Stage } from './stage.ts';

/** What the store and the ground truth disagree in. */
export type Reconciliation = Pick<Comparison, 'messages' | 'missing' | 'duplicated' | 'different'>;

/** Opens the product's database past every proxy. */
export async function withDatabase<T>(
  { keys, databaseUrl }: Pick<Stage, 'keys' | 'databaseUrl'>,
  work: (db: Database) => Promise<T>,
): Promise<T> {
  const db = openDatabase({
    url: databaseUrl(),
    poolSize: 2,
    applicationName: 'outhaul-chaos',
    sealer: parseKeyRing(keys),
    log: pino({ enabled: false }),
  });
  try {
    return await work(db);
  } finally {
    await closeDatabase(db);
  }
}

/**
 * Compares every field of every message with the simulator's ground truth, read past the API. A message that is stored
 * as deleted counts as missing; a row without a message that is not marked as deleted, as different. Says what it finds.
 */
export const reconcile = (
  stage: Stage,
  { say, signal }: { readonly say: (line: string) => void; readonly signal: AbortSignal },
): Promise<Reconciliation> =>
  withDatabase(stage, async (db) => {
    const organization = await organizationOf(db, ORGANIZATION);
    const truth = openTruth(stage.simulator.url, signal);
    const { tenantId } = stage.simulator;
    const compared = await compareWithTruth({
      truth: truth.batches(await truth.mailboxes(), { tenantId }),
      lookUp: async (mailboxId, ids) => {
        const rows = await emailsById(db, organization, { mailboxId, ids });
        return rows.filter((row) => row['_deleted_at'] === null);
      },
    });
    const { messages, stored, missing, duplicated, different, findings } = compared;
    for (const finding of findings) say(JSON.stringify(finding));
    const leftover = (await countEmails(db, organization)) - stored - duplicated;
    return { messages, missing, duplicated, different: different + Math.max(0, leftover) };
  });

/**
 * How many messages the coverage of a scan does not explain: those that it names as unexplained, and those by which what
 * it accounts for differs from the ground truth.
 */
export async function unexplainedOf(
  api: ChaosApi,
  { scanId }: Answer['body'],
  { messages }: Pick<Reconciliation, 'messages'>,
): Promise<number> {
  const { status, body } = await api.insist('GET', `/api/v1/scan/${String(scanId)}/coverage?limit=1`);
  if (status !== 200) throw new Error(`No coverage: ${status} ${JSON.stringify(body)}`);
  const { stored, quarantined, leftOut, unexplained } = body['totals'] as CoverageTotals;
  return unexplained + Math.abs(messages - (stored + quarantined + leftOut));
}
