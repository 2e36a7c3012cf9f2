/** Sessions of continuous ingestion: what they follow, what Graph was asked to tell, and what it told. */
export const sql = `
ALTER TABLE outhaul.scans ADD COLUMN kind text NOT NULL DEFAULT 'scan';
COMMENT ON COLUMN outhaul.scans.kind IS 'scan, or session: what a session has seen is kept as a scan''s is, and is no scan.';

ALTER TABLE outhaul.scan_folders
  ADD COLUMN added bigint NOT NULL DEFAULT 0,
  ADD COLUMN changed bigint NOT NULL DEFAULT 0,
  ADD COLUMN moved bigint NOT NULL DEFAULT 0,
  ADD COLUMN deleted bigint NOT NULL DEFAULT 0,
  ADD COLUMN restored bigint NOT NULL DEFAULT 0;

CREATE TABLE outhaul.sessions (
  session_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id text COLLATE "C" NOT NULL REFERENCES outhaul.organizations,
  session_id text COLLATE "C" NOT NULL,
  scan_no int NOT NULL UNIQUE REFERENCES outhaul.scans,
  status text NOT NULL,
  polling_mode text NOT NULL,
  polling_seconds int NOT NULL,
  sweep_seconds int,
  notifications text NOT NULL,
  notifications_reason text,
  notification_url text,
  sealed_client_state_key bytea,
  mark_as_read boolean NOT NULL,
  mark_as_read_refused text,
  only_unread boolean NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  stopping_at timestamptz,
  ended_at timestamptz,
  stop_reason text,
  last_discovery_at timestamptz,
  last_sweep_at timestamptz,
  last_sweep_ms int,
  last_sweep_changed int,
  last_poll_at timestamptz,
  last_notification_at timestamptz,
  notifications_taken bigint NOT NULL DEFAULT 0,
  notifications_joined bigint NOT NULL DEFAULT 0,
  notifications_refused bigint NOT NULL DEFAULT 0,
  marked_as_read bigint NOT NULL DEFAULT 0,
  trouble text,
  mailboxes int,
  messages bigint,
  told bigint,
  missed bigint,
  UNIQUE (organization_id, session_id)
) WITH (fillfactor = 70);
COMMENT ON COLUMN outhaul.sessions.status IS 'starting, running, stopping, stopped or failed. Which session of an organization runs is Temporal''s to say: its workflow id allows one.';
COMMENT ON COLUMN outhaul.sessions.scan_no IS 'Holds the filters, and what the session has seen of the mailboxes.';
COMMENT ON COLUMN outhaul.sessions.notifications IS 'off, starting, on or unreachable; notifications_reason says why in words.';
COMMENT ON COLUMN outhaul.sessions.sweep_seconds IS 'Between two sweeps as they are now: polling_seconds, or less where notifications do not tell enough.';
COMMENT ON COLUMN outhaul.sessions.sealed_client_state_key IS 'From which the client state of each subscription is derived.';
COMMENT ON COLUMN outhaul.sessions.notifications_joined IS 'Of those taken: a hint for the same message was waiting already.';
COMMENT ON COLUMN outhaul.sessions.trouble IS 'What keeps the session from doing all that it should, in words, while it does.';
COMMENT ON COLUMN outhaul.sessions.mailboxes IS 'This and the next three: totals, once the session has ended.';
CREATE INDEX sessions_open ON outhaul.sessions (organization_id) WHERE ended_at IS NULL;

CREATE TABLE outhaul.session_mailboxes (
  session_no int NOT NULL REFERENCES outhaul.sessions ON DELETE CASCADE,
  mailbox_id text COLLATE "C" NOT NULL,
  state text NOT NULL DEFAULT 'followed',
  reason text,
  joined_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now(),
  delta_wanted_at timestamptz,
  delta_read_at timestamptz,
  notified_at timestamptz,
  told bigint NOT NULL DEFAULT 0,
  missed bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (session_no, mailbox_id)
) WITH (fillfactor = 50);
COMMENT ON COLUMN outhaul.session_mailboxes.state IS 'followed, left (no longer among the tenant''s users), or skipped with the reason.';
COMMENT ON COLUMN outhaul.session_mailboxes.delta_wanted_at IS 'Since when a delta round of the mailbox is due; null: none is.';
COMMENT ON COLUMN outhaul.session_mailboxes.told IS 'New messages that a notification named.';
COMMENT ON COLUMN outhaul.session_mailboxes.missed IS 'New messages that a delta found and no notification named, so far.';
CREATE INDEX session_mailboxes_due ON outhaul.session_mailboxes (session_no, mailbox_id) WHERE delta_wanted_at IS NOT NULL;

CREATE TABLE outhaul.missed_messages (
  session_no int NOT NULL REFERENCES outhaul.sessions ON DELETE CASCADE,
  mailbox_id text COLLATE "C" NOT NULL,
  message_id text COLLATE "C" NOT NULL,
  found_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (session_no, mailbox_id, message_id)
);
COMMENT ON TABLE outhaul.missed_messages IS 'Messages counted as missed: a notification that comes late after all takes them out again.';

CREATE TABLE outhaul.subscriptions (
  session_no int NOT NULL REFERENCES outhaul.sessions ON DELETE CASCADE,
  mailbox_id text COLLATE "C" NOT NULL,
  organization_id text COLLATE "C" NOT NULL REFERENCES outhaul.organizations,
  subscription_id text COLLATE "C" UNIQUE,
  state text NOT NULL DEFAULT 'wanted',
  client_state_hash bytea NOT NULL,
  expires_at timestamptz,
  due_at timestamptz NOT NULL DEFAULT now(),
  attempts int NOT NULL DEFAULT 0,
  error_code text,
  reason text,
  adopted boolean NOT NULL DEFAULT false,
  created_at timestamptz,
  PRIMARY KEY (session_no, mailbox_id)
) WITH (fillfactor = 70);
COMMENT ON COLUMN outhaul.subscriptions.state IS 'wanted, active, or refused with error_code and reason.';
COMMENT ON COLUMN outhaul.subscriptions.due_at IS 'When it is to be created, renewed, or tried again.';
CREATE INDEX subscriptions_due ON outhaul.subscriptions (session_no, due_at);

CREATE TABLE outhaul.hints (
  organization_id text COLLATE "C" NOT NULL REFERENCES outhaul.organizations,
  mailbox_id text COLLATE "C" NOT NULL,
  message_id text COLLATE "C" NOT NULL,
  hint_no bigint GENERATED ALWAYS AS IDENTITY,
  first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  woken_at timestamptz,
  PRIMARY KEY (organization_id, mailbox_id, message_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE outhaul.hints IS 'Messages that notifications named and no read has taken yet.';
COMMENT ON COLUMN outhaul.hints.hint_no IS 'New with every notification: a read deletes the numbers it has seen, so that one that comes meanwhile stays.';
CREATE INDEX hints_waiting ON outhaul.hints (first_at);

CREATE OR REPLACE VIEW public.jobs AS
SELECT scan_id AS id, status,
  coalesce(records, (SELECT coalesce(sum(m.records), 0) FROM outhaul.scan_mailboxes m WHERE m.scan_no = s.scan_no))::bigint
    AS "recordsExtracted",
  error_message AS "errorMessage", coalesce(started_at, requested_at) AS "startTime"
FROM outhaul.scans s WHERE kind = 'scan';

CREATE OR REPLACE VIEW public.job_checkpoints AS
SELECT s.scan_id AS job_id,
  CASE f.state WHEN 'running' THEN 'emails' WHEN 'failed' THEN 'emails_error' ELSE 'emails_completed' END AS phase,
  f.records AS "recordsProcessed", f.updated_at AS "createdAt",
  json_build_object('current_user_id', f.mailbox_id, 'current_folder', f.path, 'state', f.state, 'pages', f.pages,
    'expected', f.graph_count, 'excluded', f.excluded, 'quarantined', (
      SELECT count(*) FROM outhaul.quarantine q WHERE q.organization_id = s.organization_id
        AND q.mailbox_id = f.mailbox_id AND q.folder_id = f.folder_id AND q.resolved_at IS NULL),
    'error_code', f.error_code, 'request_id', f.request_id)
    AS checkpoint_data
FROM outhaul.scan_folders f JOIN outhaul.scans s USING (scan_no) WHERE s.kind = 'scan';
`;
