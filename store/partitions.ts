import { query, run, type Client, type Database } from './database.ts';

/** The partition of `scan_messages` that a scan's rows lie in; scan numbers are integers, so the name needs no quotes. */
const partitionOf = (scanNo: number): string => `outhaul.scan_messages_${Math.trunc(scanNo)}`;

/**
 * What a scan has seen, as a subquery. Its number stands in the text, for PostgreSQL leaves the partitions of other scans
 * out of its plan only when it knows the number then.
 */
export const messagesOf = (scanNo: number): string =>
  `(SELECT email_no FROM outhaul.scan_messages WHERE scan_no = ${Math.trunc(scanNo)})`;

/**
 * Makes a scan's partition. Made apart and then attached, it keeps nobody waiting who reads or writes other scans'
 * rows; `CREATE TABLE … PARTITION OF` would lock them all out.
 */
export async function addPartition(client: Client, scanNo: number): Promise<void> {
  if (await exists(client, scanNo)) return;
  const partition = partitionOf(scanNo);
  await run(client, { text: `CREATE TABLE ${partition} (LIKE outhaul.scan_messages INCLUDING ALL)` });
  await run(client, {
    text: `ALTER TABLE outhaul.scan_messages ATTACH PARTITION ${partition} FOR VALUES IN (${Math.trunc(scanNo)})`,
  });
}

/**
 * Drops a scan's partition, whatever an interrupted attempt has left of it. Detached first, and without a transaction
 * around, for the same reason: dropping an attached partition locks its siblings.
 */
export async function dropPartition(db: Database, scanNo: number): Promise<void> {
  const partition = partitionOf(scanNo);
  const [attached] = await query<{ pending: boolean }>(db, {
    text: 'SELECT inhdetachpending AS pending FROM pg_inherits WHERE inhrelid = to_regclass($1)',
    values: [partition],
  });
  if (attached) {
    const how = attached.pending ? 'FINALIZE' : 'CONCURRENTLY';
    await query(db, { text: `ALTER TABLE outhaul.scan_messages DETACH PARTITION ${partition} ${how}` });
  }
  await query(db, { text: `DROP TABLE IF EXISTS ${partition}` });
}

async function exists(client: Client, scanNo: number): Promise<boolean> {
  const [row] = await run<{ there: boolean }>(client, {
    text: 'SELECT to_regclass($1) IS NOT NULL AS there',
    values: [partitionOf(scanNo)],
  });
  return row?.there ?? false;
}
