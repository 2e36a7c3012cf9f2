import type { AttachmentKind } from '../model/attachment.ts';
import { storableText } from '../model/text.ts';
import { query, type Database } from './database.ts';
import { queryHeld, type HeldMailbox } from './lease-guard.ts';
import type { Organization } from './organizations.ts';

/** A message of which attachments are still to be read. */
export interface LackingMessage {
  readonly emailNo: number;
  readonly messageId: string;
  /** Whether its attachments are to be listed first: it is not known then which it has. */
  readonly unlisted: boolean;
  /** A scan or session keeps all of them, whatever destinations want. */
  readonly everything: boolean;
  /** Those whose bytes are to be fetched, in Graph's order. */
  readonly attachments: readonly LackingAttachment[];
  /** The version that is stored, where it is a draft: what is listed now may have changed by the time it is sent. */
  readonly draftKey: string | null;
}

export interface LackingAttachment {
  readonly id: string;
  readonly kind: AttachmentKind;
  /** As Graph says it: a hint. */
  readonly size: number | null;
}

/** A message whose attachments Graph cannot list. */
export interface UnlistedMessage {
  readonly messageId: string;
  /** Graph's error code. */
  readonly reason: string;
  readonly requestId?: string | undefined;
}

/**
 * The attachments of these messages are wanted. A message that was listed, or could not be, stays as it is, but for a
 * draft that has changed; with `again` all of them are listed anew, and what is stored of them stays stored. Messages that
 * are not stored are passed over.
 * @returns how many are to be listed that were not before
 * @throws {LeaseLost}
 */
export async function wantAttachments(
  db: Database,
  organization: Organization,
  {
    messageIds,
    again = false,
    ...held
  }: HeldMailbox & { readonly messageIds: readonly string[]; readonly again?: boolean },
): Promise<number> {
  const { schema } = organization;
  const [answer] = await queryHeld<{ wanted: number }>(db, organization, held, {
    text: `wanted AS (
        INSERT INTO ${schema}.attachment_reads AS r (email_no, mailbox_no, state)
        SELECT DISTINCT e._no, lease.mailbox_no, 'wanted' FROM lease CROSS JOIN unnest($3::text[]) message_id
          ${emailOf(schema, 'message_id')}
        ON CONFLICT (email_no) DO UPDATE
          SET state = 'wanted', reason = NULL, request_id = NULL, draft_key = NULL, updated_at = now()
          WHERE r.state <> 'wanted' AND ($4 OR r.draft_key IS DISTINCT FROM (
            SELECT e.change_key FROM ${schema}.emails e WHERE e._no = r.email_no AND r.draft_key IS NOT NULL))
        RETURNING email_no
      ), answer AS (SELECT count(*) AS wanted FROM wanted)`,
    values: [messageIds.map(storableText), again],
  });
  return answer?.wanted ?? 0;
}

/**
 * All attachments of the messages that scans have seen in a mailbox are wanted, of the next so many of its messages by their
 * id: those that may have some. What was left out of them because nobody wanted it is wanted now,
 * and what could not be read before the scans began is tried again.
 * @param after start after ''
 * @returns how many are to be listed that were not before, and after which id to go on; null: that was the last
 * @throws {LeaseLost}
 */
export async function wantSeenAttachments(
  db: Database,
  organization: Organization,
  {
    scanNos,
    after,
    limit,
    ...held
  }: HeldMailbox & { readonly scanNos: readonly number[]; readonly after: string; readonly limit: number },
): Promise<{ readonly wanted: number; readonly after: string | null }> {
  const { schema } = organization;
  const seen = scanNos.map(
    (scanNo) => `SELECT FROM outhaul.scan_messages WHERE scan_no = ${Math.trunc(scanNo)}
    AND email_no = e._no`,
  );
  const [answer] = await queryHeld<{ wanted: number; after: string | null }>(db, organization, held, {
    text: `stretch AS MATERIALIZED (
        SELECT e._no, e.id, e.has_attachments, lease.mailbox_no FROM lease CROSS JOIN LATERAL (
          SELECT _no, id, has_attachments FROM ${schema}.emails
          WHERE _mailbox_no = lease.mailbox_no AND id > $3 ORDER BY id LIMIT $4) e
      ), seen AS MATERIALIZED (
        SELECT e._no, e.mailbox_no FROM stretch e WHERE (${seen.map((one) => `EXISTS (${one})`).join(' OR ') || 'false'})
          AND (e.has_attachments IS DISTINCT FROM false
            OR (SELECT body_content LIKE '%cid:%' FROM ${schema}.emails WHERE _no = e._no))
      ), wanted AS (
        INSERT INTO ${schema}.attachment_reads AS r (email_no, mailbox_no, state, everything)
        SELECT _no, mailbox_no, 'wanted', true FROM seen ORDER BY _no
        ON CONFLICT (email_no) DO UPDATE SET ${WANTED_AGAIN}
          WHERE NOT r.everything OR r.state = 'quarantined' AND r.updated_at < ${begunAt('$5')}
            OR r.state = 'done' AND EXISTS (SELECT FROM ${schema}.attachments a WHERE a._email_no = r.email_no
              AND a.state = 'quarantined' AND a._extracted_at < ${begunAt('$5')})
        RETURNING email_no
      ), answer AS (
        SELECT (SELECT count(*) FROM wanted) AS wanted,
          (SELECT max(id) FROM stretch HAVING count(*) = $4) AS after
      )`,
    values: [after, limit, scanNos],
  });
  return answer ?? { wanted: 0, after: null };
}

/** SQL: whether the attachments of a message are to be looked up, as the model's function of this name says it. */
export const mayHaveAttachments = `(has_attachments IS DISTINCT FROM false OR coalesce(body_content LIKE '%cid:%', false))`;

/** SQL: when scans began, or were opened again: what could not be read before is worth another try. */
export const begunAt = (scanNos: string): string => `(SELECT max(coalesce(retried_at, started_at, requested_at))
  FROM outhaul.scans WHERE scan_no = ANY(${scanNos}::int[]))`;

const WANTED_AGAIN = `state = 'wanted', everything = true, reason = NULL, request_id = NULL, draft_key = NULL, updated_at = now()`;

/**
 * SQL, part of the statement that stores a page: all attachments of its messages are wanted. What was wanted so before
 * stays as it is, but for a draft that has changed.
 * @param messages a relation that has `_no`, `change_key` and `may_have`, as `mayHaveAttachments` says, each message once
 * @param mailbox a relation of one row that has `mailbox_no`
 */
export const wantedPart = ({ schema }: Organization, messages: string, mailbox: string): string => `, listed AS (
  INSERT INTO ${schema}.attachment_reads AS r (email_no, mailbox_no, state, everything)
  SELECT m._no, mailbox_no, 'wanted', true FROM ${messages} AS m CROSS JOIN ${mailbox} WHERE may_have
  ON CONFLICT (email_no) DO UPDATE SET ${WANTED_AGAIN}
    WHERE NOT r.everything OR r.draft_key IS DISTINCT FROM (
      SELECT m.change_key FROM ${messages} AS m WHERE m._no = r.email_no AND r.draft_key IS NOT NULL)
)`;

/**
 * SQL, part of a `WITH`: what could not be read of messages is tried once more where deliveries wait for it again.
 * @param deliveries a relation that has `email_no` and `status`
 */
export const triedAgainPart = (
  { schema }: Pick<Organization, 'schema'>,
  deliveries: string,
): string => `, tried_again AS (
  UPDATE ${schema}.attachment_reads r SET state = 'wanted', reason = NULL, request_id = NULL, updated_at = now()
  WHERE r.email_no = ANY(ARRAY(SELECT email_no FROM ${deliveries} WHERE status = 'waiting'))
    AND (r.state = 'quarantined' OR r.state = 'done' AND EXISTS (SELECT FROM ${schema}.attachments a
      WHERE a._email_no = r.email_no AND a.state = 'quarantined'))
)`;

/** SQL: the message `e` of the mailbox `lease` with this id, found by its key whatever the planner thinks. */
export const emailOf = (schema: string, id: string): string => `CROSS JOIN LATERAL (
    SELECT _no, _folder, is_draft, change_key FROM ${schema}.emails
    WHERE _mailbox_no = lease.mailbox_no AND id = ${id} OFFSET 0) e`;

/** SQL: the version of a message `e`, where it is a draft; else null. */
export const DRAFT_KEY = `CASE WHEN e.is_draft THEN coalesce(e.change_key, '') END`;

/** SQL: the attachments of a message `e` were listed, in `r`, while it was a draft, which it is no more. */
export const OUTDATED = 'r.draft_key IS NOT NULL AND e.is_draft IS NOT TRUE';

/** What a mailbox lacks, or some messages of it, in the order in which they were stored, after the number `after`. */
export const lackingAttachments = (
  db: Database,
  { schema }: Organization,
  {
    mailboxId,
    messageIds,
    after = 0,
    limit,
  }: {
    readonly mailboxId: string;
    readonly messageIds?: readonly string[];
    readonly after?: number;
    readonly limit: number;
  },
): Promise<LackingMessage[]> =>
  query(db, {
    text: `SELECT r.email_no AS "emailNo", e.id AS "messageId", r.state = 'wanted' AS unlisted, r.everything, ${DRAFT_KEY} AS "draftKey",
        coalesce((SELECT json_agg(json_build_object('id', a.id, 'kind', a.kind, 'size', a.size) ORDER BY a.position)
          FROM ${schema}.attachments a WHERE a._email_no = r.email_no AND a.state = 'wanted'), '[]') AS attachments
      FROM ${schema}.mailboxes m
        JOIN ${schema}.attachment_reads r ON r.mailbox_no = m.mailbox_no AND r.state IN ('wanted', 'listed')
        JOIN ${schema}.emails e ON e._no = r.email_no
      WHERE m.id = $1 AND r.email_no > $2 AND ($3::text[] IS NULL OR e.id = ANY($3))
      ORDER BY r.email_no LIMIT $4`,
    values: [mailboxId, after, messageIds?.map(storableText), limit],
    prepared: true,
  });

/** How far the reading of a message's attachments has come. */
export interface AttachmentRead {
  readonly emailNo: number;
  /** `wanted`: to be listed. `listed`: some are to be fetched. `done`: none is. `quarantined`: they cannot be listed. */
  readonly state: 'wanted' | 'listed' | 'done' | 'quarantined';
  /** Graph's error code, where they cannot be listed. */
  readonly reason: string | null;
  /** It was a draft when they were listed, and is none any more: they may be others now. */
  readonly outdated: boolean;
}

/** Of messages by the numbers of their rows; of one whose attachments nobody has wanted yet nothing is known. */
export const attachmentReads = (
  db: Database,
  { schema }: Organization,
  emailNos: readonly number[],
): Promise<AttachmentRead[]> =>
  query(db, {
    text: `SELECT r.email_no AS "emailNo", r.state, r.reason, ${OUTDATED} AS outdated
      FROM ${schema}.attachment_reads r
        CROSS JOIN LATERAL (SELECT is_draft FROM ${schema}.emails WHERE _no = r.email_no OFFSET 0) e
      WHERE r.email_no = ANY($1::bigint[])`,
    values: [emailNos],
    prepared: true,
  });

/**
 * The attachments of these messages cannot be listed. Nothing of them is to be read any more, until they are wanted again.
 * @throws {LeaseLost}
 */
export async function quarantineLists(
  db: Database,
  organization: Organization,
  { messages, ...held }: HeldMailbox & { readonly messages: readonly UnlistedMessage[] },
): Promise<void> {
  const { schema } = organization;
  const rows = messages.map((message) => ({ ...message, messageId: storableText(message.messageId) }));
  await queryHeld(db, organization, held, {
    text: `given AS MATERIALIZED (
        SELECT e._no, g.reason, g."requestId", ${DRAFT_KEY} AS draft_key FROM lease
          CROSS JOIN json_to_recordset($3::json) AS g("messageId" text, reason text, "requestId" text)
          ${emailOf(schema, 'g."messageId"')}
      ), answer AS (
        UPDATE ${schema}.attachment_reads r
        SET state = 'quarantined', reason = given.reason, request_id = given."requestId", draft_key = given.draft_key,
          updated_at = now()
        FROM given WHERE r.email_no = given._no RETURNING r.email_no
      )`,
    values: [JSON.stringify(rows)],
  });
}
