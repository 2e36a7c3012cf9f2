import { HOLD_SECONDS } from '../model/delivery.ts';
import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import { ClaimLost, UnknownDestination } from './errors.ts';

/** A delivery as whoever makes it needs it. */
export interface OwedDelivery {
  readonly deliveryNo: number;
  readonly emailNo: number;
  /** By its id within the message; null: the message itself is owed. */
  readonly attachmentId: string | null;
  /** Made so far, in vain. */
  readonly attempts: number;
  /** How often whoever had claimed it was lost: one that ends its worker every time is better sent alone. */
  readonly lost: number;
  readonly replays: number;
  readonly owedAt: string;
}

/** Of `OwedDelivery`. */
export const OWED_COLUMNS = `delivery_no AS "deliveryNo", email_no AS "emailNo", nullif(attachment_id, '') AS "attachmentId", attempts,
  lost, replays, owed_at AS "owedAt"`;

/**
 * Claims deliveries that are due, the most urgent first and of these those that are due longest, for so many seconds.
 * Whoever claims at the same time gets others. For kinds without an order; a paused destination has nothing to claim.
 */
export const claimDeliveries = (
  db: Pick<Database, 'pool'>,
  claim: {
    readonly destinationNo: number;
    readonly token: string;
    readonly seconds: number;
    readonly limit: number;
  },
): Promise<OwedDelivery[]> =>
  query<OwedDelivery>(db, {
    text: CLAIM,
    values: [claim.destinationNo, claim.token, claim.seconds, claim.limit],
    prepared: true,
  });

export const CLAIM = `WITH due AS MATERIALIZED (
    SELECT delivery_no FROM outhaul.deliveries
    WHERE destination_no = $1 AND NOT ordered AND status IN ('owed', 'claimed') AND next_at <= now()
      AND EXISTS (SELECT FROM outhaul.destinations WHERE destination_no = $1 AND status = 'active')
    ORDER BY priority, next_at, delivery_no LIMIT $4 FOR UPDATE SKIP LOCKED
  ), claimed AS (
    UPDATE outhaul.deliveries SET status = 'claimed', claim_token = $2, lost = lost + (status = 'claimed')::int,
      next_at = clock_timestamp() + make_interval(secs => $3)
    WHERE delivery_no = ANY(ARRAY(SELECT delivery_no FROM due))
    RETURNING *
  )
  SELECT ${OWED_COLUMNS} FROM claimed ORDER BY priority, owed_at, delivery_no`;

/** Prolongs claims that are still held. @returns of which deliveries */
export async function renewClaims(
  db: Pick<Database, 'pool'>,
  claim: { readonly token: string; readonly seconds: number; readonly deliveryNos: readonly number[] },
): Promise<number[]> {
  const rows = await query<{ no: number }>(db, {
    text: `UPDATE outhaul.deliveries SET next_at = clock_timestamp() + make_interval(secs => $2)
      WHERE delivery_no = ANY($3::bigint[]) AND status = 'claimed' AND claim_token = $1 RETURNING delivery_no AS no`,
    values: [claim.token, claim.seconds, claim.deliveryNos],
  });
  return rows.map(({ no }) => no);
}

/**
 * The next deliveries of an ordered destination, in the order of arrival, for whoever has claimed it; asked again before
 * they are settled, the same. None while the first of the line is not due yet; and what a transaction that is still open,
 * anywhere on the server, may precede is not in the line yet. (A transaction of the future is of another server: the
 * database was restored here.) A paused destination has none.
 * @throws {ClaimLost}
 */
export async function nextInOrder(
  db: Pick<Database, 'pool'>,
  { destinationNo, token, limit, after = BEGINNING }: LineRequest,
): Promise<DeliveryInLine[]> {
  const rows = await query<OwedDelivery & { held: number | null; deliveryNo: number | null } & Place>(db, {
    text: NEXT_IN_ORDER,
    values: [destinationNo, token, limit, after.xid, after.emailNo, after.part],
    prepared: true,
  });
  if (rows[0]?.held == null) throw new ClaimLost(destinationNo);
  return rows
    .filter(({ deliveryNo }) => deliveryNo !== null)
    .map(({ held: _, xid, part, ...delivery }) => ({
      ...delivery,
      place: { xid, emailNo: delivery.emailNo, part },
    }));
}

/** Where a delivery stands in the line of its destination. */
export interface Place {
  readonly xid: string;
  readonly emailNo: number;
  readonly part: number;
}

export type DeliveryInLine = OwedDelivery & { readonly place: Place };

export interface LineRequest {
  readonly destinationNo: number;
  readonly token: string;
  readonly limit: number;
  /** Those behind this place alone: the others are being sent. Default: all. */
  readonly after?: Place | undefined;
}

const BEGINNING: Place = { xid: '0', emailNo: 0, part: -1 };

export const NEXT_IN_ORDER = `WITH fence AS MATERIALIZED (
    SELECT destination_no, status FROM outhaul.destinations WHERE destination_no = $1 AND claim_token = $2
  ), holding AS MATERIALIZED (
    SELECT owed_xid, email_no FROM outhaul.deliveries
    WHERE destination_no = $1 AND ordered AND status = 'waiting' AND next_at > now()
    ORDER BY owed_xid, email_no LIMIT 1
  ), line AS MATERIALIZED (
    SELECT * FROM outhaul.deliveries
    WHERE destination_no = $1 AND ordered AND status = 'owed'
      AND (owed_xid, email_no, part) > ($4::xid8, $5::bigint, $6::int)
      AND (owed_xid < pg_snapshot_xmin(pg_current_snapshot()) OR owed_xid >= pg_snapshot_xmax(pg_current_snapshot()))
    ORDER BY owed_xid, email_no, part LIMIT $3
  ), ready AS MATERIALIZED (
    SELECT *, bool_and(next_at <= now()) OVER (ORDER BY owed_xid, email_no, part) AS due FROM line
    WHERE NOT EXISTS (
      SELECT FROM holding WHERE (holding.owed_xid, holding.email_no) <= (line.owed_xid, line.email_no))
  )
  SELECT fence.destination_no AS held, ${OWED_COLUMNS}, owed_xid::text AS xid, part
  FROM (SELECT) one LEFT JOIN fence ON true LEFT JOIN ready ON due AND fence.status = 'active'
  ORDER BY owed_xid, email_no, part`;

/** What became of a delivery. */
export type Settled = { readonly deliveryNo: number } & (
  | {
      readonly status: 'accepted';
      readonly httpStatus?: number | undefined;
      /** What the destination answered, where it took it and said that something is wrong. */
      readonly answer?: string | undefined;
    }
  | {
      readonly status: 'refused';
      /** A code; by this, dead letters are chosen together. */
      readonly cause: string;
      /** The same in words, without anything of the mail. */
      readonly error?: string | undefined;
      readonly httpStatus?: number | undefined;
      /** As `retryIn` answers: when to try again, ms; null: it is a dead letter. */
      readonly retryInMs: number | null;
    }
  /** Nothing was attempted, so nothing counts: the bytes of an attachment are to come first. */
  | { readonly status: 'waits' }
  /** Nothing was attempted, so nothing counts. It is due again after so many ms, or at once. */
  | { readonly status: 'untouched'; readonly inMs?: number | undefined }
);

export interface Settlement {
  readonly delivered: number;
  readonly dead: number;
  /** All that were settled. Others take care by now of what is missing here: their claims had run out. */
  readonly settled: number;
}

/**
 * Settles deliveries under the claim on them, or on their destination where it is ordered.
 * @throws {ClaimLost} when the claim on the destination is another's; nothing is settled
 * @throws {UnknownDestination}
 */
export async function settleDeliveries(
  db: Pick<Database, 'pool'>,
  { destinationNo, token }: { readonly destinationNo: number; readonly token: string },
  outcomes: readonly Settled[],
): Promise<Settlement> {
  const deliveryNos = outcomes.map(({ deliveryNo }) => deliveryNo);
  const records = outcomes.every(isPlain)
    ? []
    : [JSON.stringify(Object.fromEntries(outcomes.map((outcome) => [outcome.deliveryNo, recordOf(outcome)])))];
  const [answer] = await query<Settlement & { ordered: boolean | null; held: boolean | null }>(db, {
    text: records.length === 0 ? SETTLE_ACCEPTED : SETTLE,
    values: [destinationNo, token, deliveryNos, ...records],
    prepared: true,
  });
  if (answer?.held == null) throw new UnknownDestination(destinationNo);
  if (!answer.held) throw new ClaimLost(destinationNo);
  const { delivered, dead, settled } = answer;
  return { delivered, dead, settled };
}

/** Accepted, without a word: nearly all are. */
const isPlain = (outcome: Settled): boolean =>
  outcome.status === 'accepted' && outcome.answer === undefined && outcome.httpStatus === undefined;

/** @param columns of `deliveries`, and @param values for them */
const settling = (columns: string, values: string): string => `WITH fence AS MATERIALIZED (
    SELECT destination_no, ordered, NOT ordered OR claim_token IS NOT DISTINCT FROM $2 AS held FROM outhaul.destinations
    WHERE destination_no = $1 FOR NO KEY UPDATE
  ), settled AS (
    UPDATE outhaul.deliveries d SET (${columns}) = (${values})
    FROM fence
    WHERE d.delivery_no = ANY($3::bigint[]) AND d.destination_no IS NOT DISTINCT FROM fence.destination_no AND fence.held
      AND CASE WHEN fence.ordered THEN d.status = 'owed' ELSE d.status = 'claimed' AND d.claim_token = $2 END
    RETURNING d.status, d.answer
  ), tally AS MATERIALIZED (
    SELECT count(*) AS settled, count(*) FILTER (WHERE status = 'delivered') AS delivered,
      count(*) FILTER (WHERE status = 'dead') AS dead, count(answer) AS answered FROM settled
  ), counted AS (
    UPDATE outhaul.destinations t SET delivered = t.delivered + tally.delivered, answered = t.answered + tally.answered
    FROM tally WHERE t.destination_no = $1 AND tally.delivered > 0
  )
  SELECT (SELECT held FROM fence) AS held, settled, delivered, dead FROM tally`;

/** The outcomes are looked up row by row, so that the rows are found by their numbers, whatever the table looks like. */
export const SETTLE = settling(
  'status, attempts, next_at, cause, last_error, http_status, answer, delivered_at, dead_at, claim_token',
  `SELECT o.status, d.attempts + o.attempt, coalesce(now() + o.ms * interval '1 ms', d.next_at),
      CASE WHEN o.attempt = 0 THEN d.cause ELSE o.cause END, CASE WHEN o.attempt = 0 THEN d.last_error ELSE o.error END,
      CASE WHEN o.attempt = 0 THEN d.http_status ELSE o.http END, o.answer,
      CASE o.status WHEN 'delivered' THEN clock_timestamp() END, CASE o.status WHEN 'dead' THEN clock_timestamp() END, NULL
    FROM jsonb_to_record($4::jsonb -> d.delivery_no::text) AS o(status text, attempt int, ms float8, cause text, error text,
      http int, answer text)`,
);

/** The same where all were accepted without a word, at a fraction of the cost. */
const SETTLE_ACCEPTED = settling(
  'status, attempts, cause, last_error, http_status, answer, delivered_at, dead_at, claim_token',
  `SELECT 'delivered', d.attempts + 1, NULL, NULL, NULL::int, NULL, clock_timestamp(), NULL::timestamptz, NULL`,
);

function recordOf(outcome: Settled): object {
  switch (outcome.status) {
    case 'accepted': {
      const { httpStatus: http, answer } = outcome;
      return { status: 'delivered', attempt: 1, http, answer: answer === undefined ? null : storableText(answer) };
    }
    case 'refused': {
      const { retryInMs: ms, cause, error, httpStatus: http } = outcome;
      const words = error === undefined ? null : storableText(error);
      return { status: ms === null ? 'dead' : 'owed', attempt: 1, ms, cause: storableText(cause), error: words, http };
    }
    case 'waits':
      return { status: 'waiting', attempt: 0, ms: HOLD_SECONDS * 1000 };
    case 'untouched':
      return { status: 'owed', attempt: 0, ms: outcome.inMs ?? 0 };
  }
}

/**
 * In how many ms there may be something to claim in a destination, as far as anyone can know; 0: now, or as soon as a
 * transaction has ended. Null: nothing is owed but what waits for its attachments, or the destination is paused.
 */
export async function dueIn(db: Pick<Database, 'pool'>, destinationNo: number): Promise<number | null> {
  const [row] = await query<{ ms: number | null }>(db, {
    text: `SELECT ceil(extract(epoch FROM CASE WHEN ordered THEN (
          SELECT greatest(next_at, (SELECT max(next_at) FROM outhaul.deliveries
            WHERE destination_no = $1 AND ordered AND status = 'waiting' AND next_at > now()
              AND (owed_xid, email_no) <= (o.owed_xid, o.email_no)))
          FROM outhaul.deliveries o WHERE destination_no = $1 AND ordered AND status = 'owed'
          ORDER BY owed_xid, email_no, part LIMIT 1
        ) ELSE (
          SELECT min(next_at) FROM outhaul.deliveries
          WHERE destination_no = $1 AND NOT ordered AND status IN ('owed', 'claimed')
        ) END - clock_timestamp()) * 1000) AS ms
      FROM outhaul.destinations WHERE destination_no = $1 AND status = 'active'`,
    values: [destinationNo],
    prepared: true,
  });
  return row?.ms == null ? null : Math.max(0, row.ms);
}
