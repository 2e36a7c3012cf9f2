import { storableText } from '../model/text.ts';
import { query, run, transaction, type Database } from './database.ts';
import { UnknownSession } from './errors.ts';
import type { Organization } from './organizations.ts';
import { saveUsers, type FoundUser } from './scan-mailboxes.ts';

/** A listing of the tenant's users for a session, from its first page to its last. */
export interface Listing {
  readonly sessionNo: number;
  /** When it began, by the database's clock. */
  readonly since: string;
}

/** Mailboxes that came and went with one listing. */
export interface Followed {
  readonly followed: number;
  readonly joined: number;
  readonly left: number;
}

/** @returns the database's time, from which a listing counts whom it has seen */
export async function beginListing(db: Database): Promise<string> {
  const [row] = await query<{ now: string }>(db, { text: 'SELECT clock_timestamp() AS now' });
  return row!.now;
}

/**
 * Records listed users: as mailboxes of the organization, and as mailboxes that the session follows or, where there is a
 * reason, skips.
 * @throws {UnknownSession}
 */
export const followUsers = (
  db: Database,
  organization: Organization,
  { sessionNo, tenantId, users }: { sessionNo: number; tenantId: string; users: readonly FoundUser[] },
): Promise<void> =>
  transaction(db, async (client) => {
    const [session] = await run<{ sessionId: string }>(client, {
      text: 'SELECT session_id AS "sessionId" FROM outhaul.sessions WHERE session_no = $1 FOR KEY SHARE',
      values: [sessionNo],
    });
    if (!session) throw new UnknownSession(sessionNo);
    await saveUsers(client, organization, { users, tenantId, scanId: session.sessionId });
    const found = new Map(users.map(({ user, skip }) => [storableText(user.id), skip ?? null]));
    await run(client, {
      text: `INSERT INTO outhaul.session_mailboxes AS m (session_no, mailbox_id, state, reason, joined_at, seen_at)
        SELECT $1, id, CASE WHEN skip IS NULL THEN 'followed' ELSE 'skipped' END, skip, clock_timestamp(), clock_timestamp()
        FROM unnest($2::text[], $3::text[]) AS u(id, skip)
        ON CONFLICT (session_no, mailbox_id) DO UPDATE SET seen_at = excluded.seen_at,
          state = CASE WHEN ${REFUSED} THEN m.state ELSE excluded.state END,
          reason = CASE WHEN ${REFUSED} THEN m.reason ELSE excluded.reason END,
          joined_at = CASE WHEN m.state = 'followed' THEN m.joined_at ELSE excluded.joined_at END,
          delta_wanted_at = CASE WHEN excluded.state = 'followed' THEN m.delta_wanted_at END
        WHERE excluded.state = 'followed' OR (m.state, m.reason) IS DISTINCT FROM (excluded.state, excluded.reason)`,
      values: [sessionNo, [...found.keys()], [...found.values()], LEFT_OUT],
    });
  });

/** Reasons of our own to skip a mailbox, which are gone when the listing gives none. */
const LEFT_OUT = ['guest', 'excluded', 'not_included'];
/** Graph did not let the mailbox be read: the sweep finds out when it does. */
const REFUSED = `(m.state = 'skipped' AND NOT m.reason = ANY($4) AND excluded.state = 'followed')`;

/** The listing came to its end: whom it has not seen has left the tenant. */
export const endListing = (db: Database, { sessionNo, since }: Listing): Promise<Followed> =>
  transaction(db, async (client) => {
    await run(client, {
      text: 'UPDATE outhaul.sessions SET last_discovery_at = clock_timestamp() WHERE session_no = $1',
      values: [sessionNo],
    });
    const left = await run(client, {
      text: `UPDATE outhaul.session_mailboxes SET state = 'left', delta_wanted_at = NULL
        WHERE session_no = $1 AND state = 'followed' AND seen_at < $2 RETURNING mailbox_id`,
      values: [sessionNo, since],
    });
    const [counts] = await run<{ followed: number; joined: number }>(client, {
      text: `SELECT count(*) AS followed, count(*) FILTER (WHERE joined_at >= $2) AS joined
        FROM outhaul.session_mailboxes WHERE session_no = $1 AND state = 'followed'`,
      values: [sessionNo, since],
    });
    return { followed: 0, joined: 0, ...counts, left: left.length };
  });
