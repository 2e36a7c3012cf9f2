import { query, type Database } from './database.ts';
import { OWED_COLUMNS, type DeliveryInLine, type OwedDelivery, type Place } from './deliveries.ts';
import { ClaimLost } from './errors.ts';

/** Deliveries that are sent together, in this order. */
export interface BatchRecord {
  readonly id: string;
  /** `xid` is the one of their places in the line. */
  readonly members: readonly { readonly deliveryNo: number; readonly xid: string }[];
}

/** What is still owed of a batch that was recorded, in the order in which it was cut; nothing: it is over. */
export interface UnfinishedBatch {
  readonly id: string;
  /** No receiver can have taken it. */
  readonly notTaken: boolean;
  readonly deliveries: readonly DeliveryInLine[];
}

/** Under which destination batches are recorded, by whom. */
interface Claim {
  readonly destinationNo: number;
  readonly token: string;
}

/**
 * Records how batches are cut, before they are sent, and forgets others, for whoever has claimed the destination.
 * @throws {ClaimLost} nothing is recorded
 */
export async function recordBatches(
  db: Pick<Database, 'pool'>,
  { destinationNo, token }: Claim,
  { batches, forget }: { readonly batches: readonly BatchRecord[]; readonly forget: readonly string[] },
): Promise<void> {
  const rows = batches.map(({ id, members }) => ({
    id,
    nos: members.map(({ deliveryNo }) => deliveryNo),
    xids: members.map(({ xid }) => xid),
  }));
  const again = new Set(batches.map(({ id }) => id));
  const held = await query(db, {
    text: RECORD,
    values: [destinationNo, token, forget.filter((id) => !again.has(id)), JSON.stringify(rows)],
    prepared: true,
  });
  if (held.length === 0) throw new ClaimLost(destinationNo);
}

/** The destination is locked as it is where deliveries are settled: whoever claims it next sees what is recorded here. */
const FENCE = `fence AS MATERIALIZED (
    SELECT destination_no FROM outhaul.destinations WHERE destination_no = $1 AND claim_token = $2 FOR NO KEY UPDATE
  )`;

const RECORD = `WITH ${FENCE}, forgotten AS (
    DELETE FROM outhaul.batches b USING fence
    WHERE b.destination_no = fence.destination_no AND b.destination_no = $1 AND b.batch_id = ANY($3::text[])
  ), recorded AS (
    INSERT INTO outhaul.batches (destination_no, batch_id, delivery_nos, owed_xids)
    SELECT destination_no, id, nos, xids
    FROM fence CROSS JOIN jsonb_to_recordset($4::jsonb) AS r(id text, nos bigint[], xids xid8[])
    ON CONFLICT (destination_no, batch_id)
    DO UPDATE SET delivery_nos = excluded.delivery_nos, owed_xids = excluded.owed_xids, not_taken = false
  )
  SELECT 1 AS one FROM fence`;

/**
 * Records of batches whether it is known that no receiver can have taken them: that they have not been sent or were refused
 * each time, when the claim is given back; that they are going to be sent, before the next one sends any.
 * @throws {ClaimLost} nothing is recorded
 */
export async function markBatches(
  db: Pick<Database, 'pool'>,
  { destinationNo, token }: Claim,
  { ids, notTaken }: { readonly ids: readonly string[]; readonly notTaken: boolean },
): Promise<void> {
  const held = await query(db, { text: MARK, values: [destinationNo, token, ids, notTaken] });
  if (held.length === 0) throw new ClaimLost(destinationNo);
}

const MARK = `WITH ${FENCE}, marked AS (
    UPDATE outhaul.batches b SET not_taken = $4 FROM fence
    WHERE b.destination_no = fence.destination_no AND b.destination_no = $1 AND b.batch_id = ANY($3::text[])
  )
  SELECT 1 AS one FROM fence`;

/**
 * The batches of a destination that are recorded, in the order of the line, for whoever has claimed it.
 * @returns also whether they may be sent: the first in line is due, and the destination is not paused
 * @throws {ClaimLost}
 */
export async function unfinishedBatches(
  db: Pick<Database, 'pool'>,
  { destinationNo, token }: Claim,
): Promise<{ readonly due: boolean; readonly batches: readonly UnfinishedBatch[] }> {
  const rows = await query<UnfinishedRow>(db, { text: UNFINISHED, values: [destinationNo, token], prepared: true });
  const [first] = rows;
  if (first?.held == null) throw new ClaimLost(destinationNo);
  const batches = new Map<string, { readonly notTaken: boolean; readonly members: Member[] }>();
  for (const { held: _, due: __, batchId, notTaken, xid, part, deliveryNo, ...rest } of rows) {
    if (batchId === null) continue;
    const batch = batches.get(batchId) ?? { notTaken, members: [] };
    batches.set(batchId, batch);
    if (deliveryNo !== null) batch.members.push({ ...rest, deliveryNo, place: { xid, emailNo: rest.emailNo, part } });
  }
  return {
    due: first.due === true,
    batches: [...batches].map(([id, { notTaken, members }]) => {
      const deliveries = members.sort((a, b) => a.nth - b.nth).map(({ nth: _, ...delivery }) => delivery);
      return { id, notTaken, deliveries };
    }),
  };
}

/** `nth` is its place in the batch. */
type Member = DeliveryInLine & { readonly nth: number };

type UnfinishedRow = Omit<OwedDelivery, 'deliveryNo'> &
  Place & {
    readonly held: number | null;
    readonly due: boolean | null;
    readonly batchId: string | null;
    readonly notTaken: boolean;
    readonly deliveryNo: number | null;
    readonly nth: number;
  };

const UNFINISHED = `WITH fence AS MATERIALIZED (
    SELECT destination_no, status FROM outhaul.destinations WHERE destination_no = $1 AND claim_token = $2
  ), remaining AS MATERIALIZED (
    SELECT b.batch_id, b.not_taken, m.nth, d.*
    FROM outhaul.batches b CROSS JOIN unnest(b.delivery_nos, b.owed_xids) WITH ORDINALITY AS m(no, xid, nth)
      LEFT JOIN outhaul.deliveries d ON d.delivery_no = m.no AND d.owed_xid = m.xid AND d.status = 'owed'
    WHERE b.destination_no = $1
  )
  SELECT fence.destination_no AS held, fence.status = 'active' AND next_at <= now() AS due, batch_id AS "batchId",
    not_taken AS "notTaken", nth, ${OWED_COLUMNS}, owed_xid::text AS xid, part
  FROM (SELECT) one LEFT JOIN fence ON true LEFT JOIN remaining ON fence.destination_no IS NOT NULL
  ORDER BY owed_xid, email_no, part`;
