/**
 * Messages that could not be read or stored, each with its cause, and how large a page may be for a mailbox.
 *
 * `message_key` is the SHA-256 of the id: an id of any length can be quarantined, also one that no index takes, which may
 * be the very reason why the message is here.
 */
export const sql = `
CREATE TABLE outhaul.quarantine (
  entry_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id text COLLATE "C" NOT NULL REFERENCES outhaul.organizations,
  mailbox_id text COLLATE "C" NOT NULL,
  folder_id text COLLATE "C" NOT NULL,
  message_id text COLLATE "C" NOT NULL,
  message_key bytea NOT NULL,
  cause text NOT NULL,
  http_status int,
  request_id text,
  unreadable text[] NOT NULL,
  stored boolean NOT NULL,
  attempts int NOT NULL DEFAULT 1,
  first_scan_no int,
  last_scan_no int,
  first_at timestamptz NOT NULL DEFAULT now(),
  last_at timestamptz NOT NULL DEFAULT now(),
  retry_requested_at timestamptz,
  resolved_at timestamptz,
  resolution text,
  UNIQUE (organization_id, mailbox_id, message_key)
);
COMMENT ON COLUMN outhaul.quarantine.cause IS 'Graph''s error code, one of the Graph room''s own, or an SQLSTATE.';
COMMENT ON COLUMN outhaul.quarantine.unreadable IS 'Members of the message that could not be read; none where it was read and the database refused it.';
COMMENT ON COLUMN outhaul.quarantine.stored IS 'Whether emails has a row with what could be read.';
COMMENT ON COLUMN outhaul.quarantine.resolution IS 'stored: it could be read after all. gone: Graph does not have it any more.';
CREATE INDEX quarantine_open ON outhaul.quarantine (organization_id, entry_no) WHERE resolved_at IS NULL;
CREATE INDEX quarantine_retries ON outhaul.quarantine (organization_id, mailbox_id)
  WHERE resolved_at IS NULL AND retry_requested_at IS NOT NULL;

CREATE TABLE outhaul.page_limits (
  organization_id text COLLATE "C" NOT NULL REFERENCES outhaul.organizations,
  mailbox_id text COLLATE "C" NOT NULL,
  messages int NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, mailbox_id)
) WITH (fillfactor = 70);
COMMENT ON TABLE outhaul.page_limits IS 'Mailboxes for which Graph cannot answer pages of the usual size, and what it can.';

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
FROM outhaul.scan_folders f JOIN outhaul.scans s USING (scan_no);
`;
