import { pino } from 'pino';
import type { TruthMailbox } from '../../simulator/index.ts';
import { closeDatabase, openDatabase } from '../../store/database.ts';
import { countEmails, emailsById } from '../../store/email-lookup.ts';
import { organizationOf } from '../../store/organizations.ts';
import type { Output } from '../output.ts';
import { createDisplay } from '../progress/display.ts';
import type { Stack } from '../stack/stack.ts';
import { count } from '../text/numbers.ts';
import { compareWithTruth, type Comparison } from './comparison.ts';
import type { Truth } from './truth.ts';

export interface CompareStoredOptions {
  readonly truth: Truth;
  readonly mailboxes: readonly TruthMailbox[];
  /** How many messages will be compared. */
  readonly messages: number;
  readonly stack: Pick<Stack, 'keys' | 'services'>;
  readonly organizationId: string;
  readonly tenantId: string;
  readonly scanId: string;
  readonly notes: Output;
}

export interface StoredComparison {
  readonly comparison: Comparison;
  /** Rows of the table of messages. */
  readonly rows: number;
}

/** Compares what lies in the database, read past the API, with the ground truth. */
export async function compareStored(options: CompareStoredOptions): Promise<StoredComparison> {
  const { truth, mailboxes, messages, stack, organizationId, tenantId, scanId, notes } = options;
  const db = openDatabase({
    url: stack.services.databaseUrl,
    poolSize: 2,
    applicationName: 'outhaul-demo',
    sealer: stack.keys.ring,
    log: pino({ enabled: false }),
  });
  const display = createDisplay(notes);
  try {
    const organization = await organizationOf(db, organizationId);
    const comparison = await compareWithTruth({
      truth: truth.batches(mailboxes, { tenantId, scanId }),
      lookUp: (mailboxId, ids) => emailsById(db, organization, { mailboxId, ids }),
      onProgress: (compared) => display.show(`${count(compared)} messages compared`, compared / Math.max(1, messages)),
    });
    return { comparison, rows: await countEmails(db, organization) };
  } finally {
    display.end();
    await closeDatabase(db);
  }
}
