import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createClient } from '@redis/client';
import pg from 'pg';
import type { Organization } from '../store/organizations.ts';

export const KINDS = ['utility', 'batch', 'redis_list', 'folder'] as const;
export type Kind = (typeof KINDS)[number];

/** A delivery as the store has it at the end. */
export interface Delivery {
  readonly kind: Kind;
  readonly deliveryNo: number;
  readonly messageId: string;
  readonly attachmentId: string | null;
  readonly status: string;
  readonly owedAt: number;
  readonly deliveredAt: number | null;
  /** Of the content, where an attachment is owed and stored. */
  readonly sha256: string | null;
}

/** What there is in the store that has to be owed to somebody. */
export interface Outbox {
  /** In the order of arrival. */
  readonly deliveries: readonly Delivery[];
  /**
   * Messages and attachments that no delivery is about, though each destination of the kind wants all; of drafts nobody
   * does.
   */
  readonly unowed: number;
}

/** Reads what is owed past the product. */
export async function readOutbox(url: string, { schema }: Organization): Promise<Outbox> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Delivery>(`
      SELECT t.kind, d.delivery_no::float8 AS "deliveryNo", e.id AS "messageId", nullif(d.attachment_id, '') AS "attachmentId",
        d.status, extract(epoch FROM d.owed_at)::float8 * 1000 AS "owedAt",
        extract(epoch FROM d.delivered_at)::float8 * 1000 AS "deliveredAt", a.sha256
      FROM outhaul.deliveries d JOIN outhaul.destinations t USING (destination_no)
        JOIN ${schema}.emails e ON e._no = d.email_no
        LEFT JOIN ${schema}.attachments a ON a._email_no = d.email_no AND a.id = d.attachment_id
      ORDER BY d.owed_xid, d.email_no, d.part`);
    const unowed = await client.query<{ count: number }>(`
      SELECT count(*)::int AS count FROM (
        SELECT t.destination_no, e._no, '' FROM ${schema}.emails e, outhaul.destinations t
        WHERE t.kind IN ('utility', 'batch') AND e.is_draft IS NOT TRUE
        UNION ALL
        SELECT t.destination_no, a._email_no, a.id FROM ${schema}.attachments a
          JOIN ${schema}.emails e ON e._no = a._email_no AND e.is_draft IS NOT TRUE, outhaul.destinations t
        WHERE t.kind IN ('redis_list', 'folder') AND a.state IN ('stored', 'quarantined')
        EXCEPT SELECT destination_no, email_no, attachment_id FROM outhaul.deliveries) missing`);
    return { deliveries: rows, unowed: unowed.rows[0]?.count ?? 0 };
  } finally {
    await client.end();
  }
}

/** An item of a Redis list, as far as it is compared. */
export interface ListedItem {
  readonly messageId: string;
  readonly attachmentId: string;
  readonly sha256: string;
}

const STRETCH = 100;

/** The items of a list in the order in which a consumer would take them. */
export async function readList(url: string, list: string): Promise<ListedItem[]> {
  const client = createClient({ url });
  client.on('error', () => undefined);
  await client.connect();
  const listed: ListedItem[] = [];
  try {
    for (let end = -1; ; end -= STRETCH) {
      const items = await client.lRange(list, end - STRETCH + 1, end);
      listed.push(...items.reverse().map(itemOf));
      if (items.length < STRETCH) return listed;
    }
  } finally {
    client.destroy();
  }
}

function itemOf(text: string): ListedItem {
  const item = JSON.parse(text) as { email_id: string; attachment_id: string; attachment_content_b64: string };
  const content = Buffer.from(item.attachment_content_b64, 'base64');
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { messageId: item.email_id, attachmentId: item.attachment_id, sha256 };
}

/** The SHA-256 of every file below a folder, those that are being written apart. */
export async function readFolder(folder: string): Promise<string[]> {
  const hashes: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.parentPath.includes('.unfinished')) continue;
    const hash = createHash('sha256');
    await pipeline(createReadStream(join(entry.parentPath, entry.name)), hash);
    hashes.push(hash.digest('hex'));
  }
  return hashes;
}
