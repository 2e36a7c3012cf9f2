/**
 * How much of the messages is stored, and with how much they were read along the links that are kept; and the messages as
 * they were sent, of which only the blob is kept.
 */
export const sql = (schema: string): string => `
ALTER TABLE ${schema}.emails ADD COLUMN _content text NOT NULL DEFAULT 'full';
COMMENT ON COLUMN ${schema}.emails._content IS
  'full: with its body. headers: this version of it was read without; a body that stands there is of an earlier one.';
ALTER TABLE ${schema}.sync_state
  ADD COLUMN content text NOT NULL DEFAULT 'full',
  ADD COLUMN delta_content text NOT NULL DEFAULT 'full';
COMMENT ON COLUMN ${schema}.sync_state.content IS 'What the latest round keeps of messages.';
COMMENT ON COLUMN ${schema}.sync_state.delta_content IS
  'What is kept at least of all messages that were read up to the delta link.';

ALTER TABLE ${schema}.attachment_reads ADD COLUMN everything boolean NOT NULL DEFAULT false;
CREATE INDEX attachment_reads_quarantined ON ${schema}.attachment_reads (mailbox_no) WHERE state = 'quarantined';
COMMENT ON COLUMN ${schema}.attachment_reads.everything IS 'A scan or session keeps all attachments, whatever destinations want.';

CREATE TABLE ${schema}.originals (
  message_id text COLLATE "C" NOT NULL,
  state text NOT NULL,
  reason text,
  request_id text,
  sha256 text COLLATE "C" REFERENCES ${schema}.blobs,
  byte_size bigint,
  draft_key text,
  _email_no bigint PRIMARY KEY,
  _mailbox_no int NOT NULL,
  _extracted_at timestamptz NOT NULL DEFAULT now(),
  _scan_id text,
  _tenant_id text,
  _user_email text,
  _user_id text,
  _user_display_name text,
  _folder text,
  _extraction_type text NOT NULL DEFAULT 'original'
) WITH (fillfactor = 80);
COMMENT ON TABLE ${schema}.originals IS 'Messages as they were sent (RFC 5322), one for each message of which that is wanted.';
COMMENT ON COLUMN ${schema}.originals.state IS 'wanted: to be read. stored: it is there. quarantined: it cannot be read.';
COMMENT ON COLUMN ${schema}.originals.reason IS 'Graph''s error code.';
COMMENT ON COLUMN ${schema}.originals.draft_key IS 'The version that was read, where it was a draft.';
CREATE INDEX originals_wanted ON ${schema}.originals (_mailbox_no, _email_no) WHERE state = 'wanted';
CREATE INDEX originals_quarantined ON ${schema}.originals (_mailbox_no) WHERE state = 'quarantined';
CREATE INDEX originals_sha256 ON ${schema}.originals (sha256) WHERE sha256 IS NOT NULL;

CREATE TABLE ${schema}.scan_contents (
  scan_no int NOT NULL,
  mailbox_no int NOT NULL,
  folder_no int NOT NULL,
  attachments int NOT NULL,
  attachments_left_out int NOT NULL,
  attachments_quarantined int NOT NULL,
  lists_quarantined int NOT NULL,
  originals int NOT NULL,
  originals_quarantined int NOT NULL,
  counted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (scan_no, mailbox_no, folder_no)
);
COMMENT ON TABLE ${schema}.scan_contents IS
  'What there is of attachments and originals of the messages that a scan has seen in a folder, for scans that keep them.';
COMMENT ON COLUMN ${schema}.scan_contents.lists_quarantined IS 'Messages whose attachments cannot be listed.';
`;
