import type { DestinationKind } from '../model/destination.ts';
import { query, type Database } from './database.ts';
import type { Organization } from './organizations.ts';

/**
 * Destinations that have something to send that is due. Whether somebody looks after it already is not asked here.
 * @returns their numbers
 */
export async function dueDestinations(db: Pick<Database, 'pool'>): Promise<number[]> {
  const rows = await query<{ no: number }>(db, {
    text: `SELECT destination_no AS no FROM outhaul.destinations t WHERE t.status = 'active' AND CASE WHEN t.ordered
      THEN EXISTS (SELECT FROM outhaul.deliveries d
        WHERE d.destination_no = t.destination_no AND d.ordered AND d.status = 'owed' AND d.next_at <= now())
      ELSE EXISTS (SELECT FROM outhaul.deliveries d
        WHERE d.destination_no = t.destination_no AND NOT d.ordered AND d.status IN ('owed', 'claimed')
          AND d.next_at <= now())
      END ORDER BY 1`,
  });
  return rows.map(({ no }) => no);
}

/** The organizations of which messages wait for their attachments, in no order. */
export async function organizationsWaiting(db: Pick<Database, 'pool'>): Promise<string[]> {
  const rows = await query<{ id: string }>(db, {
    text: `SELECT organization_id AS id FROM outhaul.organizations o WHERE EXISTS (
        SELECT FROM outhaul.deliveries d WHERE d.organization_id = o.organization_id AND d.status = 'waiting')
      ORDER BY random()`,
  });
  return rows.map(({ id }) => id);
}

/** How the destinations of one kind are that are not paused and have been tried or asked: well, if all of them are. */
export interface KindHealth {
  readonly kind: DestinationKind;
  readonly healthy: boolean;
}

/** The health of all organizations' destinations by their kind. */
export const healthByKind = (db: Pick<Database, 'pool'>): Promise<KindHealth[]> =>
  query<KindHealth>(db, {
    text: `SELECT kind, bool_and((health ->> 'healthy')::boolean AND (circuit IS NULL OR circuit ->> 'state' = 'closed')) AS healthy
      FROM outhaul.destinations WHERE status = 'active' AND health IS NOT NULL GROUP BY kind ORDER BY kind`,
  });

/** For the first minutes a mailbox is asked for what it lacks with every look, after that with every so many. */
const OFTEN_MINUTES = 10;
const SELDOM_MINUTES = 15;

/**
 * Mailboxes whose readers should be woken for the attachments that messages wait for, at most so many of them and in no
 * order, so that none is always the last. What has waited for less than `seconds` is left to whoever has stored it; a
 * mailbox that has been asked for long in vain is due in one minute of fifteen.
 * @returns directory ids
 */
export async function mailboxesToWake(
  db: Pick<Database, 'pool'>,
  { organizationId, schema }: Organization,
  { seconds, limit }: { readonly seconds: number; readonly limit: number },
): Promise<string[]> {
  const rows = await query<{ id: string }>(db, {
    text: `SELECT m.id FROM (
        SELECT mailbox_no, min(owed_at) AS oldest, bool_or(owed_at > now() - interval '${OFTEN_MINUTES} minutes') AS new
        FROM outhaul.deliveries
        WHERE organization_id = $1 AND status = 'waiting' AND owed_at <= now() - make_interval(secs => $2)
        GROUP BY mailbox_no
      ) waiting JOIN ${schema}.mailboxes m USING (mailbox_no)
      WHERE new OR floor(extract(epoch FROM now() - oldest) / 60)::int % ${SELDOM_MINUTES} = 0
      ORDER BY random() LIMIT $3`,
    values: [organizationId, seconds, limit],
  });
  return rows.map(({ id }) => id);
}

/**
 * Takes on the tidying of organizations' blobs, of those first that wait for it longest: nobody else is given them for so
 * many seconds.
 * @returns the organizations' ids
 */
export async function takeTidying(
  db: Pick<Database, 'pool'>,
  { seconds, limit }: { readonly seconds: number; readonly limit: number },
): Promise<string[]> {
  const rows = await query<{ id: string }>(db, {
    text: `UPDATE outhaul.organizations SET blobs_tidied_at = now() WHERE organization_id IN (
        SELECT organization_id FROM outhaul.organizations
        WHERE blobs_tidied_at IS NULL OR blobs_tidied_at <= now() - make_interval(secs => $1)
        ORDER BY blobs_tidied_at NULLS FIRST LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
      RETURNING organization_id AS id`,
    values: [seconds, limit],
  });
  return rows.map(({ id }) => id);
}

/** An organization's blobs were not tidied to the end: it is the next one's turn again. */
export async function leaveTidying(db: Pick<Database, 'pool'>, organizationId: string): Promise<void> {
  await query(db, {
    text: 'UPDATE outhaul.organizations SET blobs_tidied_at = NULL WHERE organization_id = $1',
    values: [organizationId],
  });
}
