import { contactAddress, type Contact } from '../../model/contact.ts';
import {
  differenceOf,
  isDay,
  type ContactColumns,
  type ContactDifference,
  type ContactFields,
  type KnownFields,
  type SyncCounts,
  type SyncProgress,
} from '../../model/contact-sync.ts';
import { BATCH, type AirtableRecord, type AirtableTable, type RecordChange } from './table.ts';

export interface SyncRequest {
  readonly table: AirtableTable;
  readonly columns: ContactColumns;
  /** Every recipient once. */
  readonly contacts: AsyncIterable<readonly Contact[]>;
  /** Nothing is written. */
  readonly dryRun: boolean;
  readonly onProgress: (progress: SyncProgress) => Promise<void>;
  /** Is told of what is written, or would be. */
  readonly onDifference?: ((difference: ContactDifference) => void) | undefined;
  readonly signal: AbortSignal;
}

/** What the table has of one address. */
interface Known {
  readonly id: string;
  readonly createdTime: string;
  readonly fields: KnownFields;
}

interface Directory {
  readonly known: ReadonlyMap<string, Known>;
  readonly records: number;
  readonly duplicates: number;
  /** The table keeps days, without the time. */
  readonly days: boolean;
}

/**
 * Makes a table say what is known of each recipient: changes records that say something else, adds those that are missing,
 * leaves the rest alone, those of others included. Where several have one address the oldest is kept up to date. Whoever
 * begins again after a failure reads again, so that nothing is added twice.
 * @throws {AirtableRefused, AirtableUnavailable}
 */
export async function syncTable(request: SyncRequest): Promise<SyncCounts> {
  const { table, columns, contacts, dryRun, onProgress, onDifference, signal } = request;
  const directory = await readDirectory(request);
  const changes: RecordChange[] = [];
  const additions: Pick<RecordChange, 'fields'>[] = [];
  let [compared, added, changed] = [0, 0, 0];
  const counts = (): SyncCounts => ({
    contacts: compared,
    records: directory.records,
    added,
    changed,
    unchanged: compared - added - changed,
    duplicates: directory.duplicates,
    ...table.requests,
  });
  const flush = async (least: number): Promise<void> => {
    while (changes.length >= least && changes.length > 0) await table.update(changes.splice(0, BATCH), signal);
    while (additions.length >= least && additions.length > 0) await table.create(additions.splice(0, BATCH), signal);
  };
  for await (const page of contacts) {
    for (const contact of page) {
      compared++;
      const known = directory.known.get(contact.address);
      const difference = differenceOf(contact, known?.fields, directory.days);
      if (!difference) continue;
      onDifference?.(difference);
      const fields = fieldsOf(difference.after, columns);
      if (known) changed++;
      else added++;
      if (dryRun) continue;
      if (known) changes.push({ id: known.id, fields });
      else additions.push({ fields });
      await flush(BATCH);
    }
    const message = `Compared ${compared} contacts: ${added} new, ${changed} changed`;
    await onProgress({ phase: 'writing', message, done: compared, total: null });
  }
  await flush(1);
  return counts();
}

async function readDirectory({ table, columns, onProgress, signal }: SyncRequest): Promise<Directory> {
  const known = new Map<string, Known>();
  let [records, duplicates, days] = [0, 0, false];
  for await (const page of table.pages(signal)) {
    for (const record of page) {
      records++;
      const fields = knownFields(record, columns);
      days ||= isDay(fields.lastInteractedDate);
      const address = typeof fields.email === 'string' ? contactAddress(fields.email)?.address : undefined;
      if (address === undefined) continue;
      const other = known.get(address);
      if (other) duplicates++;
      if (!other || isOlder(record, other)) known.set(address, { ...record, fields });
    }
    await onProgress({ phase: 'reading', message: `Read ${records} records`, done: records, total: null });
  }
  return { known, records, duplicates, days };
}

const isOlder = (a: Pick<Known, 'id' | 'createdTime'>, b: Pick<Known, 'id' | 'createdTime'>): boolean =>
  a.createdTime === b.createdTime ? a.id < b.id : a.createdTime < b.createdTime;

const MEMBERS = ['email', 'domain', 'totalMailsSent', 'lastInteractedDate'] as const;

const knownFields = ({ fields }: AirtableRecord, columns: ContactColumns): KnownFields =>
  Object.fromEntries(
    MEMBERS.flatMap((member) => (columns[member] in fields ? [[member, fields[columns[member]]]] : [])),
  );

const fieldsOf = (after: ContactFields, columns: ContactColumns): Record<string, unknown> =>
  Object.fromEntries(
    MEMBERS.flatMap((member) => (after[member] === undefined ? [] : [[columns[member], after[member]]])),
  );
