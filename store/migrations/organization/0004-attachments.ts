/**
 * Attachments of messages, how far the reading of them has come, and the blobs that hold their bytes.
 *
 * What may surprise: an attachment is found by `_key`, the SHA-256 of its id, for an id may be longer than an index takes.
 * Attachments refer to blobs by a foreign key, so that no blob's row goes while one refers to it;
 * `_unreferenced_since` is only a hint where to look for those to which none does (`store/blob-rows.ts`).
 */
export const sql = (schema: string): string => `
CREATE TABLE ${schema}.blobs (
  sha256 text COLLATE "C" PRIMARY KEY,
  size bigint NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now(),
  _unreferenced_since timestamptz DEFAULT now()
) WITH (fillfactor = 80);
COMMENT ON COLUMN ${schema}.blobs._unreferenced_since IS 'Since when perhaps no row refers to the blob; null: one did when it was last looked at.';
CREATE INDEX blobs_unreferenced ON ${schema}.blobs (_unreferenced_since) WHERE _unreferenced_since IS NOT NULL;

CREATE TABLE ${schema}.attachment_reads (
  email_no bigint PRIMARY KEY,
  mailbox_no int NOT NULL,
  state text NOT NULL,
  reason text,
  request_id text,
  draft_key text,
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
COMMENT ON TABLE ${schema}.attachment_reads IS 'Messages whose attachments are wanted, and how far the reading of them has come.';
COMMENT ON COLUMN ${schema}.attachment_reads.state IS 'wanted: to be listed. listed: some are to be fetched. done: none is. quarantined: they cannot be listed.';
COMMENT ON COLUMN ${schema}.attachment_reads.draft_key IS 'The version that was listed, where it was a draft.';
CREATE INDEX attachment_reads_open ON ${schema}.attachment_reads (mailbox_no, email_no)
  WHERE state IN ('wanted', 'listed');

CREATE TABLE ${schema}.attachments (
  id text COLLATE "C" NOT NULL,
  message_id text COLLATE "C" NOT NULL,
  kind text NOT NULL,
  name text,
  content_type text,
  size bigint,
  is_inline boolean,
  content_id text,
  source_url text,
  last_modified_date_time timestamptz,
  position int NOT NULL,
  state text NOT NULL,
  reason text,
  request_id text,
  sha256 text COLLATE "C" REFERENCES ${schema}.blobs,
  byte_size bigint,
  sniffed_type text,
  record json,
  _no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  _email_no bigint NOT NULL,
  _mailbox_no int NOT NULL,
  _key bytea NOT NULL,
  _extracted_at timestamptz NOT NULL,
  _scan_id text,
  _tenant_id text,
  _user_email text,
  _user_id text,
  _user_display_name text,
  _folder text,
  _extraction_type text NOT NULL,
  UNIQUE (_email_no, _key)
) WITH (fillfactor = 80);
COMMENT ON COLUMN ${schema}.attachments.size IS 'As Graph says it, which is somewhat more than the bytes.';
COMMENT ON COLUMN ${schema}.attachments.state IS 'wanted: its bytes are to come. stored: they are there. left_out: nobody wants them. quarantined: they cannot be read.';
COMMENT ON COLUMN ${schema}.attachments.reason IS 'Why it was left out, or Graph''s error code.';
COMMENT ON COLUMN ${schema}.attachments.sniffed_type IS 'The MIME type that the first bytes show, where they do.';
COMMENT ON COLUMN ${schema}.attachments._folder IS 'The folder of the message when its attachments were listed.';
CREATE INDEX attachments_wanted ON ${schema}.attachments (_email_no) WHERE state = 'wanted';
CREATE INDEX attachments_sha256 ON ${schema}.attachments (sha256) WHERE sha256 IS NOT NULL;
`;
