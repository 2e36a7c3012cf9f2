import { ATTACHMENTS_MISSING, WAITED_TOO_LONG } from '../model/delivery.ts';
import { triedAgainPart } from './attachment-reads.ts';
import { query, type Database } from './database.ts';
import { InvalidCursor } from './errors.ts';
import { OWED_ANEW } from './feeding.ts';
import type { Organization } from './organizations.ts';

/** Which deliveries; whatever is left out does not matter. */
export interface DeadLetterFilter {
  readonly deliveryNos?: readonly number[] | undefined;
  readonly destinationNo?: number | undefined;
  /** The code, exactly. */
  readonly cause?: string | undefined;
  /** Instead of dead letters: what was delivered, and answered that something is wrong. */
  readonly answered?: boolean | undefined;
}

/** A dead letter, or a delivery that was answered with an error. */
export interface DeadLetter {
  readonly deliveryNo: number;
  readonly destinationId: string;
  readonly destinationName: string;
  readonly messageId: string;
  readonly mailboxId: string;
  readonly attachmentId: string | null;
  readonly attempts: number;
  readonly replays: number;
  readonly cause: string | null;
  readonly error: string | null;
  readonly httpStatus: number | null;
  readonly answer: string | null;
  readonly owedAt: string;
  /** When it became one, or was delivered. */
  readonly endedAt: string;
}

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  /** Where the next page begins; null on the last one. */
  readonly nextCursor: string | null;
}

/** The condition on `d` as text, with only what was given in it, so that indexes serve; and its parameters, from $1. */
function conditionOf(
  organizationId: string,
  { deliveryNos, destinationNo, cause, answered = false }: DeadLetterFilter,
): { readonly text: string; readonly values: unknown[] } {
  const values: unknown[] = [organizationId];
  const given = (condition: string, value: unknown): string[] =>
    value == null ? [] : [condition.replace('?', `$${values.push(value)}`)];
  const conditions = [
    'd.organization_id = $1',
    answered ? `d.status = 'delivered' AND d.answer IS NOT NULL` : `d.status = 'dead'`,
    ...given('d.delivery_no = ANY(?::bigint[])', deliveryNos),
    ...given('d.destination_no = ?', destinationNo),
    ...given('d.cause = ?', cause),
  ];
  return { text: conditions.join(' AND '), values };
}

/**
 * One page of an organization's dead letters, in the order in which they were owed.
 * @throws {InvalidCursor}
 */
export async function listDeadLetters(
  db: Database,
  { organizationId, schema }: Organization,
  { limit, cursor, ...filter }: DeadLetterFilter & { readonly limit: number; readonly cursor?: string | undefined },
): Promise<DeadLetterPage> {
  const { text: condition, values } = conditionOf(organizationId, filter);
  const found = await query<DeadLetter>(db, {
    text: `SELECT d.delivery_no AS "deliveryNo", t.destination_id AS "destinationId", t.name AS "destinationName",
        e.id AS "messageId", e._user_id AS "mailboxId", nullif(d.attachment_id, '') AS "attachmentId", d.attempts, d.replays,
        d.cause, d.last_error AS error, d.http_status AS "httpStatus", d.answer, d.owed_at AS "owedAt",
        coalesce(d.dead_at, d.delivered_at) AS "endedAt"
      FROM outhaul.deliveries d JOIN outhaul.destinations t ON t.destination_no = d.destination_no
        JOIN ${schema}.emails e ON e._no = d.email_no
      WHERE ${condition} AND d.delivery_no > $${values.length + 1} ORDER BY d.delivery_no LIMIT $${values.length + 2}`,
    values: [...values, cursor === undefined ? 0 : decodeCursor(cursor), limit + 1],
  });
  const letters = found.slice(0, limit);
  const last = letters.at(-1);
  return { letters, nextCursor: found.length > limit && last ? encodeCursor(last.deliveryNo) : null };
}

/** How many dead letters each destination of an organization has, by cause; most first. */
export const deadLetterCauses = (
  db: Database,
  organizationId: string,
): Promise<{ readonly destinationNo: number; readonly cause: string | null; readonly letters: number }[]> =>
  query(db, {
    text: `SELECT destination_no AS "destinationNo", cause, count(*) AS letters FROM outhaul.deliveries
      WHERE organization_id = $1 AND status = 'dead' GROUP BY destination_no, cause ORDER BY letters DESC, 1, 2`,
    values: [organizationId],
  });

/** Deliveries changed at a time. */
const STRETCH = 2_000;

/**
 * Owes dead letters again, at the end of the line, with all their attempts before them; one that died for want of
 * attachments waits for them again, and those that could not be read are to be read once more. What was answered with an
 * error is sent under another idempotency key, for it was accepted under the one before; a dead letter may have been, and
 * keeps its own (a batch receiver knows batches by their keys alone, and gets it in another).
 * @returns how many, to which destinations, and the mailboxes whose readers have attachments to read now
 */
export async function retryDeadLetters(
  db: Database,
  organization: Organization,
  filter: DeadLetterFilter,
): Promise<{
  readonly letters: number;
  readonly destinationNos: readonly number[];
  readonly mailboxIds: readonly string[];
}> {
  const { organizationId, schema } = organization;
  const set = `${OWED_ANEW}, claim_token = NULL, replays = replays + ${filter.answered ? 1 : 0}`;
  const changed = await inStretches<{ no: number; destination: number; mailboxId: string | null }>(
    db,
    organizationId,
    filter,
    (chosen) => `WITH anew AS (
        UPDATE outhaul.deliveries d SET ${set} ${chosen}
        RETURNING d.delivery_no, d.destination_no, d.mailbox_no, d.email_no, d.status
      )${triedAgainPart(organization, 'anew')}
      SELECT delivery_no AS no, destination_no AS destination, m.id AS "mailboxId"
      FROM anew LEFT JOIN ${schema}.mailboxes m ON anew.status = 'waiting' AND m.mailbox_no = anew.mailbox_no`,
  );
  return {
    letters: changed.length,
    destinationNos: [...new Set(changed.map(({ destination }) => destination))],
    mailboxIds: [...new Set(changed.flatMap(({ mailboxId }) => mailboxId ?? []))],
  };
}

/** Forgets dead letters for good. @returns how many */
export async function dropDeadLetters(
  db: Database,
  organizationId: string,
  filter: Omit<DeadLetterFilter, 'answered'>,
): Promise<number> {
  const dead = { ...filter, answered: false };
  const drop = (chosen: string): string => `DELETE FROM outhaul.deliveries d ${chosen} RETURNING d.delivery_no AS no`;
  return (await inStretches(db, organizationId, dead, drop)).length;
}

/** Changes what is chosen now, in bounded stretches. @returns what the statement tells of each delivery */
async function inStretches<Row extends { readonly no: number }>(
  db: Database,
  organizationId: string,
  filter: DeadLetterFilter,
  statement: (chosen: string) => string,
): Promise<Row[]> {
  const { text: condition, values } = conditionOf(organizationId, filter);
  const [after, no] = [`$${values.length + 1}`, 'd.delivery_no'];
  const changed: Row[] = [];
  for (let last = 0; ;) {
    const rows = await query<Row>(db, {
      text: statement(`WHERE ${no} = ANY(ARRAY(SELECT ${no} FROM outhaul.deliveries d WHERE ${condition} AND ${no} > ${after}
          ORDER BY ${no} LIMIT ${STRETCH})) AND ${condition}`),
      values: [...values, last],
    });
    changed.push(...rows);
    if (rows.length === 0) return changed;
    last = rows.reduce((most, row) => Math.max(most, row.no), last);
  }
}

const TOO_LONG = 'it was owed for too long';

/** SQL: that, and what went wrong last, where that is known: what it waited for, or why it was refused. */
const TOO_LONG_AND_WHY = `CASE WHEN last_error LIKE '${TOO_LONG}%' THEN last_error ELSE concat_ws('; the last that went wrong: ',
  '${TOO_LONG}', nullif(concat_ws(': ', cause, last_error), '')) END`;

/**
 * Makes dead letters of what a destination has been owed for too long, paused or not, so many at a time. What went wrong
 * last is kept in their words.
 * @returns how many
 */
export async function expireDeliveries(
  db: Database,
  {
    destinationNo,
    maxWaitSeconds,
    limit,
  }: { readonly destinationNo: number; readonly maxWaitSeconds: number; readonly limit: number },
): Promise<number> {
  const late = 'owed_at < now() - make_interval(secs => $2)';
  // One question for each index: together they would be answered from all that the destination ever had.
  const rows = await query(db, {
    text: `UPDATE outhaul.deliveries SET status = 'dead', dead_at = now(), last_error = ${TOO_LONG_AND_WHY},
        cause = CASE status WHEN 'waiting' THEN '${ATTACHMENTS_MISSING}' ELSE '${WAITED_TOO_LONG}' END
      WHERE delivery_no = ANY(ARRAY(
        SELECT delivery_no FROM outhaul.deliveries WHERE delivery_no = ANY(ARRAY(
          (SELECT delivery_no FROM outhaul.deliveries
            WHERE destination_no = $1 AND ordered AND status = 'owed' AND ${late} LIMIT $3)
          UNION ALL (SELECT delivery_no FROM outhaul.deliveries
            WHERE destination_no = $1 AND NOT ordered AND status IN ('owed', 'claimed') AND status = 'owed' AND ${late}
            LIMIT $3)
          UNION ALL (SELECT delivery_no FROM outhaul.deliveries
            WHERE organization_id = (SELECT organization_id FROM outhaul.destinations WHERE destination_no = $1)
              AND destination_no = $1 AND status = 'waiting' AND ${late} LIMIT $3)
        )) LIMIT $3 FOR UPDATE SKIP LOCKED)) AND status IN ('waiting', 'owed') AND ${late}
      RETURNING 1 AS one`,
    values: [destinationNo, maxWaitSeconds, limit],
  });
  return rows.length;
}

const encodeCursor = (deliveryNo: number): string => Buffer.from(`letter:${deliveryNo}`).toString('base64url');

function decodeCursor(cursor: string): number {
  const [, deliveryNo] = /^letter:(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (deliveryNo === undefined || encodeCursor(Number(deliveryNo)) !== cursor) throw new InvalidCursor();
  return Number(deliveryNo);
}
