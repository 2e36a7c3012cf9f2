import { contactAddresses, type ContactAddress } from '../model/contact.ts';
import { query, run, transaction, type Client, type Database } from './database.ts';
import type { Organization } from './organizations.ts';
import { lastNumber } from './told.ts';

/** Mails counted in one transaction. */
const STRETCH = 2_000;
/** Numbers looked through in one transaction while what was there before is counted. */
const FEED_STRETCH = 5_000;
/** So much sooner than a sync that was woken begins, another change need not wake it: it will see it. */
const ATTENDED_SECONDS = 45;

/** What a stretch has come to: contacts whose numbers are others now. */
export interface Counted {
  /** `off`: nobody wants statistics. `more`: there is more to count. */
  readonly status: 'off' | 'more' | 'done';
  readonly mails: number;
  readonly changed: number;
}

/**
 * From now on the recipients of sent mail are counted; what is stored already is so by `countContacts`. Waits, with those
 * who write after it, until the pages that are being written now are: each later one knows. Again, it changes nothing.
 */
export async function startCounting(db: Database, organization: Organization): Promise<void> {
  if (await isCounting(db, organization)) return;
  const { schema } = organization;
  await transaction(db, async (client) => {
    await run(client, { text: `SET LOCAL lock_timeout = '10s'` });
    await run(client, { text: `LOCK TABLE ${schema}.emails IN SHARE ROW EXCLUSIVE MODE` });
    await run(client, {
      text: `INSERT INTO ${schema}.contact_counting (feed_after, feed_until) VALUES (0, ${lastNumber(schema)})
        ON CONFLICT DO NOTHING`,
    });
    await run(client, { text: `ALTER TABLE ${schema}.emails ENABLE TRIGGER sent_mail_added` });
    await run(client, { text: `ALTER TABLE ${schema}.emails ENABLE TRIGGER sent_mail_changed` });
  });
}

/** Nobody wants statistics any more: what was counted is gone. */
export const stopCounting = (db: Database, { schema }: Organization): Promise<void> =>
  transaction(db, async (client) => {
    await run(client, { text: `SET LOCAL lock_timeout = '10s'` });
    await run(client, { text: `ALTER TABLE ${schema}.emails DISABLE TRIGGER sent_mail_added` });
    await run(client, { text: `ALTER TABLE ${schema}.emails DISABLE TRIGGER sent_mail_changed` });
    const tables = ['contact_counting', 'contact_changes', 'contact_mails', 'contacts', 'contact_differences'];
    await run(client, { text: `TRUNCATE ${tables.map((table) => `${schema}.${table}`).join(', ')}` });
  });

const isCounting = async (db: Database, { schema }: Organization): Promise<boolean> =>
  (await query(db, { text: `SELECT 1 AS one FROM ${schema}.contact_counting` })).length > 0;

/**
 * Counts what has changed since, the next stretch of it: first what was stored before statistics were wanted, then mails
 * that came, changed, moved or went. What such a mail was counted for is taken back and what it says now is counted, so
 * that a mail counted again changes nothing. Who counts at the same time waits. Call it until it is `done`.
 */
export const countContacts = (
  db: Database,
  organization: Organization,
  { mails = STRETCH, numbers = FEED_STRETCH }: { readonly mails?: number; readonly numbers?: number } = {},
): Promise<Counted> =>
  transaction(db, async (client) => {
    const { schema } = organization;
    const [state] = await run<{ after: number; until: number }>(client, {
      text: `SELECT feed_after AS after, feed_until AS until FROM ${schema}.contact_counting FOR UPDATE`,
    });
    if (!state) return { status: 'off', mails: 0, changed: 0 };
    const { after, until } = state;
    const feeding = after < until;
    const to = Math.min(after + numbers, until);
    const changes = feeding ? [] : await takeChanges(client, organization, mails);
    const sent = feeding
      ? await sentMails(client, organization, 'e._no > $1 AND e._no <= $2', [after, to])
      : await sentMails(client, organization, 'e._no = ANY($1::bigint[])', [changes]);
    const emailNos = feeding ? sent.map(({ no }) => no) : changes;
    const changed = emailNos.length === 0 ? 0 : await recount(client, organization, emailNos, sent);
    await run(client, {
      text: `UPDATE ${schema}.contact_counting SET feed_after = $1, changes = changes + $2, counted_at = now()`,
      values: [feeding ? to : after, changed],
    });
    const more = feeding || changes.length > 0;
    return { status: more ? 'more' : 'done', mails: emailNos.length, changed };
  });

/** Mails to be counted anew, each once. They are read after this, so that what the change has made of them is seen. */
async function takeChanges(client: Client, { schema }: Organization, limit: number): Promise<number[]> {
  const rows = await run<{ no: number }>(client, {
    text: `DELETE FROM ${schema}.contact_changes
      WHERE change_no = ANY(ARRAY(SELECT change_no FROM ${schema}.contact_changes ORDER BY change_no LIMIT $1))
      RETURNING email_no AS no`,
    values: [limit],
  });
  return [...new Set(rows.map(({ no }) => no))];
}

interface SentMail {
  readonly no: number;
  readonly mailboxNo: number;
  readonly at: string | null;
  readonly recipients: readonly (string | null)[];
}

/** Those of the mails that count: they lie in sent items, and are there. */
const sentMails = (
  client: Client,
  { schema }: Organization,
  condition: string,
  values: readonly unknown[],
): Promise<SentMail[]> =>
  run<SentMail>(client, {
    text: `SELECT e._no AS no, e._mailbox_no AS "mailboxNo", coalesce(e.sent_date_time, e.received_date_time) AS at,
        ARRAY(SELECT r ->> 'address' FROM jsonb_array_elements(coalesce(e.to_recipients, '[]')
          || coalesce(e.cc_recipients, '[]') || coalesce(e.bcc_recipients, '[]')) AS r) AS recipients
      FROM ${schema}.emails e
      WHERE ${condition} AND e._folder = 'sentitems' AND e._deleted_at IS NULL AND e.is_draft IS NOT TRUE
        AND EXISTS (SELECT FROM ${schema}.mail_folders f
          WHERE f.folder_no = e._folder_no AND f.well_known_name = 'sentitems')`,
    values,
  });

/** Puts what the mails say now in the place of what they were counted for. @returns contacts with other numbers now */
async function recount(
  client: Client,
  organization: Organization,
  emailNos: readonly number[],
  sent: readonly SentMail[],
): Promise<number> {
  const { schema } = organization;
  const said = sent.flatMap((mail) => contactAddresses(mail.recipients).map((contact) => ({ ...mail, ...contact })));
  const contactNos = await contactNumbers(client, organization, said);
  const [answer] = await run<{ changed: number }>(client, {
    text: `WITH said AS MATERIALIZED (
        SELECT * FROM unnest($2::bigint[], $3::int[], $4::timestamptz[]) AS s(email_no, contact_no, sent_at)
      ), before AS MATERIALIZED (
        SELECT m.* FROM unnest($1::bigint[]) AS no CROSS JOIN LATERAL (
          SELECT email_no, contact_no FROM ${schema}.contact_mails WHERE email_no = no OFFSET 0) m
      ), gone AS (
        DELETE FROM ${schema}.contact_mails m
        USING (SELECT * FROM before EXCEPT SELECT email_no, contact_no FROM said) g
        WHERE m.email_no = g.email_no AND m.contact_no = g.contact_no
      ), put AS (
        INSERT INTO ${schema}.contact_mails AS m (email_no, contact_no, sent_at) SELECT * FROM said
        ON CONFLICT (email_no, contact_no) DO UPDATE SET sent_at = excluded.sent_at
          WHERE m.sent_at IS DISTINCT FROM excluded.sent_at
      ), change AS MATERIALIZED (
        SELECT contact_no, sum(mails) AS mails, max(latest) AS latest FROM (
          SELECT contact_no, count(*) AS mails, max(sent_at) AS latest FROM said GROUP BY contact_no
          UNION ALL SELECT contact_no, -count(*), NULL FROM before GROUP BY contact_no
        ) both_ways GROUP BY contact_no
      ), counted AS MATERIALIZED (
        SELECT change.contact_no, c.total_mails_sent + change.mails AS mails, greatest(change.latest, (
          SELECT sent_at FROM ${schema}.contact_mails m
          WHERE m.contact_no = change.contact_no AND m.sent_at IS NOT NULL AND m.email_no <> ALL(ARRAY(SELECT email_no FROM before))
          ORDER BY sent_at DESC LIMIT 1)) AS latest
        FROM change CROSS JOIN LATERAL (
          SELECT total_mails_sent FROM ${schema}.contacts WHERE contact_no = change.contact_no OFFSET 0) c
      ), updated AS (
        UPDATE ${schema}.contacts c SET total_mails_sent = counted.mails, last_interacted_date = counted.latest
        FROM counted WHERE c.contact_no = counted.contact_no AND counted.mails > 0
          AND (c.total_mails_sent, c.last_interacted_date) IS DISTINCT FROM (counted.mails, counted.latest)
        RETURNING 1
      ), removed AS (
        DELETE FROM ${schema}.contacts c USING counted WHERE c.contact_no = counted.contact_no AND counted.mails <= 0
        RETURNING 1
      )
      SELECT (SELECT count(*) FROM updated) + (SELECT count(*) FROM removed) AS changed`,
    values: [
      emailNos,
      said.map(({ no }) => no),
      said.map(({ mailboxNo, address }) => contactNos.get(keyOf(mailboxNo, address))),
      said.map(({ at }) => at),
    ],
  });
  return answer?.changed ?? 0;
}

const keyOf = (mailboxNo: number, address: string): string => `${mailboxNo} ${address}`;

/** The numbers of contacts by their mailbox and address; those that are new begin with nothing. */
async function contactNumbers(
  client: Client,
  { schema }: Organization,
  said: readonly (ContactAddress & Pick<SentMail, 'mailboxNo'>)[],
): Promise<Map<string, number>> {
  const contacts = [...new Map(said.map((each) => [keyOf(each.mailboxNo, each.address), each])).values()];
  const rows = await run<{ no: number; mailboxNo: number; address: string }>(client, {
    text: `WITH given AS MATERIALIZED (
        SELECT g.*, (SELECT contact_no FROM ${schema}.contacts c WHERE c.address = g.address AND c.mailbox_no = g.mailbox_no)
        FROM unnest($1::text[], $2::int[], $3::text[]) AS g(address, mailbox_no, domain)
      ), fresh AS (
        INSERT INTO ${schema}.contacts (address, mailbox_no, domain)
        SELECT address, mailbox_no, domain FROM given WHERE contact_no IS NULL
        RETURNING address, mailbox_no, contact_no
      )
      SELECT contact_no AS no, mailbox_no AS "mailboxNo", address FROM given WHERE contact_no IS NOT NULL
      UNION ALL SELECT contact_no, mailbox_no, address FROM fresh`,
    values: [
      contacts.map(({ address }) => address),
      contacts.map(({ mailboxNo }) => mailboxNo),
      contacts.map(({ domain }) => domain),
    ],
  });
  return new Map(rows.map(({ no, mailboxNo, address }) => [keyOf(mailboxNo, address), no]));
}

/** How often contacts have changed since they are counted, and how often they had as the last sync began; null: none has completed. */
export async function contactChanges(
  db: Database,
  { schema }: Organization,
): Promise<{ readonly changes: number; readonly synced: number | null }> {
  const [row] = await query<{ changes: number; synced: number | null }>(db, {
    text: `SELECT changes, synced FROM ${schema}.contact_counting`,
  });
  return row ?? { changes: 0, synced: null };
}

/** A sync that began after so many changes has completed. */
export async function noteContactsSynced(db: Database, { schema }: Organization, changes: number): Promise<void> {
  await query(db, { text: `UPDATE ${schema}.contact_counting SET synced = greatest(synced, $1)`, values: [changes] });
}

/** Whether mails have changed that are counted, and nobody was told of it in the last moments. */
export async function countingIsDue(db: Database, { schema }: Organization): Promise<boolean> {
  const [answer] = await query<{ due: boolean }>(db, {
    text: `SELECT true AS due FROM ${schema}.contact_counting
      WHERE (woken_at IS NULL OR woken_at < now() - interval '${ATTENDED_SECONDS} s')
        AND EXISTS (SELECT FROM ${schema}.contact_changes)`,
  });
  return answer !== undefined;
}

/** Whoever was told begins to count now: what changes from here on may come too late for that, and wakes again. */
export async function forgetCountingWoken(db: Database, { schema }: Organization): Promise<void> {
  await query(db, { text: `UPDATE ${schema}.contact_counting SET woken_at = NULL WHERE woken_at IS NOT NULL` });
}

/** Somebody was told that it is due, and counts a minute from now. */
export async function noteCountingWoken(db: Database, { schema }: Organization): Promise<void> {
  await query(db, { text: `UPDATE ${schema}.contact_counting SET woken_at = now()` });
}
