import type { Readable } from 'node:stream';
import type { AsideBlob, BlobRef, BlobStore, PutOptions, PutResult } from './blobs/blob-store.ts';
import { BlobMissing } from './blobs/errors.ts';
import { query, run, transaction, type Client, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/*
 * Which blobs there are: the rows say it, and files follow them.
 *
 * What must hold, whoever is killed, frozen or cut off, and when: a committed row that refers to a blob never loses it.
 *
 * To store (`putBlob`, then a transaction with `holdBlobs`):
 * 1. The bytes go to a file without a name of its own. When all are there the hash is known, and a row for it is committed
 *    to which nothing refers yet. Only then the file gets its name. So every named file has a row, and what a killed
 *    writer leaves behind is found: without a name by its age, with a name by its row.
 * 2. The transaction that refers to the blob first locks its row (`FOR KEY SHARE`, as the foreign key does, so that many
 *    may refer at once), then looks whether the file is there, then refers. Where row or file is missing it throws
 *    `BlobMissing`, nothing is written, and the bytes are put once more.
 *
 * To remove (`removeUnreferenced`): whatever drops a reference marks the row (`looseBlobs`). That is a hint; the truth are
 * the references. The remover
 * 1. locks a marked row (`FOR UPDATE`), which no transaction that is about to refer to it holds, and then looks for
 *    references. Whoever comes to refer to it from now on waits for the lock;
 * 2. sets the file aside, under a name that is never used again;
 * 3. deletes the row and commits. The foreign key refuses that where a reference is there after all;
 * 4. deletes what it set aside.
 * A remover that was frozen between 1 and 2 has lost its lock without knowing (`idle_in_transaction_session_timeout`), and
 * may take a file away to which somebody refers by now. It then cannot commit, and puts the file back; were it killed
 * right there, the next one does (`recoverAsides`): it locks the row and restores what has one. What has none was removed
 * for good. Nobody deletes a file under its own name, so nobody can delete one that was put there later.
 */

/** Removing waits for so long after the last reference, for writers to refer to what they have put. */
const GRACE_MS = 3_600_000;
/** Blobs removed in one transaction. */
const AT_A_TIME = 50;

/** As `BlobStore.put`, with its row. A transaction that is to refer to the blob has to hold it (`holdBlobs`). */
export const putBlob = (
  db: Database,
  organization: Organization,
  blobs: BlobStore,
  source: Readable,
  options: Omit<PutOptions, 'announce'> = {},
): Promise<PutResult> => blobs.put(source, { ...options, announce: (blob) => announce(db, organization, blob) });

async function announce(db: Database, { schema }: Organization, { sha256, size }: BlobRef): Promise<void> {
  await query(db, {
    text: `INSERT INTO ${schema}.blobs AS b (sha256, size) VALUES ($1, $2)
      ON CONFLICT (sha256) DO UPDATE SET _unreferenced_since = now() WHERE b._unreferenced_since IS NOT NULL`,
    values: [sha256, size],
    prepared: true,
  });
}

/**
 * Makes sure, to the end of a transaction, that blobs are there and stay: it may refer to them.
 * @throws {BlobMissing} naming one that is not there: its bytes have to be put once more
 */
export async function holdBlobs(
  client: Client,
  { schema }: Organization,
  blobs: BlobStore,
  wanted: readonly BlobRef[],
): Promise<void> {
  const bySha256 = new Map(wanted.map((blob) => [blob.sha256, blob]));
  const held = await run<{ sha256: string }>(client, {
    text: `SELECT sha256 FROM ${schema}.blobs WHERE sha256 = ANY($1::text[]) ORDER BY sha256 FOR KEY SHARE`,
    values: [[...bySha256.keys()]],
  });
  const rows = new Set(held.map(({ sha256 }) => sha256));
  for (const blob of bySha256.values()) {
    if (!rows.has(blob.sha256) || !(await blobs.has(blob))) throw new BlobMissing(blob.sha256);
  }
  await run(client, {
    text: `UPDATE ${schema}.blobs SET _unreferenced_since = NULL WHERE sha256 IN (
      SELECT sha256 FROM ${schema}.blobs WHERE sha256 = ANY($1::text[]) AND _unreferenced_since IS NOT NULL
      ORDER BY sha256 FOR NO KEY UPDATE)`,
    values: [[...bySha256.keys()]],
  });
}

/** Part of a statement that drops references: `loose` are the blobs of the column `sha256` of `dropped`. */
export const looseBlobs = ({ schema }: Organization, dropped: string): string => `loose AS (
    UPDATE ${schema}.blobs SET _unreferenced_since = now() WHERE sha256 = ANY(ARRAY(
      SELECT sha256 FROM ${schema}.blobs WHERE sha256 = ANY(ARRAY(SELECT sha256 FROM ${dropped} WHERE sha256 IS NOT NULL))
        AND _unreferenced_since IS NULL
      ORDER BY sha256 FOR NO KEY UPDATE))
  )`;

export interface Removed {
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Removes the blobs to which nothing has referred for `graceMs`, an hour by default.
 * @throws {BlobsUnavailable} what was not removed yet stays as it is
 */
export async function removeUnreferenced(
  db: Database,
  organization: Organization,
  blobs: BlobStore,
  { graceMs = GRACE_MS, signal }: { readonly graceMs?: number; readonly signal?: AbortSignal } = {},
): Promise<Removed> {
  const removed = { blobs: 0, bytes: 0 };
  for (;;) {
    signal?.throwIfAborted();
    const { looked, gone } = await removeSome(db, organization, blobs, graceMs);
    removed.blobs += gone.length;
    removed.bytes += gone.reduce((sum, { size }) => sum + size, 0);
    if (looked === 0) return removed;
  }
}

async function removeSome(
  db: Database,
  organization: Organization,
  blobs: BlobStore,
  graceMs: number,
): Promise<{ readonly looked: number; readonly gone: readonly BlobRef[] }> {
  const asides: AsideBlob[] = [];
  try {
    const answer = await transaction(db, async (client) => {
      const { looked, unreferenced } = await lockMarked(client, organization, graceMs);
      for (const { sha256 } of unreferenced) {
        const aside = await blobs.setAside(sha256);
        if (aside) asides.push(aside);
      }
      await run(client, {
        text: `DELETE FROM ${organization.schema}.blobs WHERE sha256 = ANY($1::text[])`,
        values: [unreferenced.map(({ sha256 }) => sha256)],
      });
      return { looked, gone: unreferenced };
    });
    for (const aside of asides) await blobs.discard(aside);
    return answer;
  } catch (error) {
    // Whether it was committed is not known for sure. The rows know.
    for (const aside of asides) await recover(db, organization, blobs, aside).catch(() => undefined);
    throw error;
  }
}

/** Marked rows, locked; those of them that are referred to after all are marked no more. */
async function lockMarked(
  client: Client,
  { schema }: Organization,
  graceMs: number,
): Promise<{ readonly looked: number; readonly unreferenced: readonly BlobRef[] }> {
  const marked = await run<BlobRef>(client, {
    text: `SELECT sha256, size FROM ${schema}.blobs WHERE _unreferenced_since <= now() - make_interval(secs => $1)
      ORDER BY _unreferenced_since LIMIT ${AT_A_TIME} FOR UPDATE SKIP LOCKED`,
    values: [graceMs / 1000],
  });
  // A statement of its own, for it has to see what was committed before the locks were got.
  const referenced = await run<{ sha256: string }>(client, {
    text: `UPDATE ${schema}.blobs SET _unreferenced_since = NULL WHERE sha256 = ANY(ARRAY(
      SELECT sha256 FROM unnest($1::text[]) sha256
      WHERE EXISTS (SELECT FROM ${schema}.attachments a WHERE a.sha256 = sha256.sha256)
        OR EXISTS (SELECT FROM ${schema}.originals o WHERE o.sha256 = sha256.sha256)))
      RETURNING sha256`,
    values: [marked.map(({ sha256 }) => sha256)],
  });
  const kept = new Set(referenced.map(({ sha256 }) => sha256));
  return { looked: marked.length, unreferenced: marked.filter(({ sha256 }) => !kept.has(sha256)) };
}

/** Puts back, or deletes, what removers have set aside and left so. Returns how many were put back. */
export async function recoverAsides(db: Database, organization: Organization, blobs: BlobStore): Promise<number> {
  let restored = 0;
  for await (const aside of blobs.asides()) if (await recover(db, organization, blobs, aside)) restored++;
  return restored;
}

/** A remover that is at work holds the lock, and has deleted the row when it lets go. */
const recover = (db: Database, { schema }: Organization, blobs: BlobStore, aside: AsideBlob): Promise<boolean> =>
  transaction(db, async (client) => {
    const [row] = await run(client, {
      text: `SELECT FROM ${schema}.blobs WHERE sha256 = $1 FOR UPDATE`,
      values: [aside.sha256],
    });
    await (row ? blobs.restore(aside) : blobs.discard(aside));
    return row !== undefined;
  });
