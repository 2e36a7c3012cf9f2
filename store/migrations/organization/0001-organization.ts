/** The columns that stand on every extracted row. */
const EXTRACTED = `
  _extracted_at timestamptz NOT NULL,
  _scan_id text,
  _tenant_id text,
  _user_email text,
  _user_id text,
  _user_display_name text,
  _folder text,
  _extraction_type text NOT NULL,
  _deleted_at timestamptz`;

/**
 * Mailboxes, folders, messages and where their reading stands; `schema` is the schema's name, quoted.
 *
 * What may surprise: ids compare byte by byte (`COLLATE "C"`), for Graph's are case-sensitive. `record` is `json`, not
 * `jsonb`, because `jsonb` refuses `\\u0000`. Long bodies are compressed with LZ4 where the server has it, at a fraction
 * of what PostgreSQL's own method costs. A message that is said to have left its folder carries `_removed_at` until
 * Graph was asked where it is.
 */
export const sql = (schema: string): string => `
CREATE TABLE ${schema}.mailboxes (
  id text COLLATE "C" NOT NULL UNIQUE,
  mail text,
  display_name text,
  user_principal_name text,
  account_enabled boolean,
  user_type text,
  mailbox_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  _lease_token text,
  _lease_ends_at timestamptz,${EXTRACTED}
) WITH (fillfactor = 70);

CREATE TABLE ${schema}.mail_folders (
  id text COLLATE "C" NOT NULL,
  display_name text,
  parent_folder_id text,
  child_folder_count bigint,
  total_item_count bigint,
  is_hidden boolean,
  is_virtual boolean,
  path text NOT NULL,
  well_known_name text,
  folder_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  mailbox_no int NOT NULL REFERENCES ${schema}.mailboxes,${EXTRACTED},
  UNIQUE (mailbox_no, id)
);

CREATE TABLE ${schema}.emails (
  id text COLLATE "C" NOT NULL,
  subject text,
  sender_address text,
  sender_name text,
  from_address text,
  from_name text,
  to_recipients jsonb,
  cc_recipients jsonb,
  bcc_recipients jsonb,
  reply_to jsonb,
  received_date_time timestamptz,
  sent_date_time timestamptz,
  created_date_time timestamptz,
  last_modified_date_time timestamptz,
  body_preview text,
  body_content text,
  body_content_type text,
  has_attachments boolean,
  importance text,
  inference_classification text,
  is_read boolean,
  is_draft boolean,
  is_delivery_receipt_requested boolean,
  is_read_receipt_requested boolean,
  flag_status text,
  conversation_id text,
  conversation_index text,
  internet_message_id text,
  categories jsonb,
  parent_folder_id text,
  web_link text,
  change_key text,
  record json,
  _no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  _mailbox_no int NOT NULL,
  _folder_no int,
  _removed_at timestamptz,${EXTRACTED},
  UNIQUE (_mailbox_no, id)
);
CREATE INDEX emails_unsettled ON ${schema}.emails (_mailbox_no) WHERE _removed_at IS NOT NULL;
DO $$
BEGIN
  ALTER TABLE ${schema}.emails ALTER COLUMN body_content SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
  NULL;
END $$;

CREATE TABLE ${schema}.sync_state (
  folder_no int PRIMARY KEY REFERENCES ${schema}.mail_folders ON DELETE CASCADE,
  round_no int NOT NULL DEFAULT 0,
  round_scans int[],
  method text,
  from_nothing boolean NOT NULL DEFAULT true,
  next_link text,
  page_size int,
  round_started_at timestamptz,
  round_ended_at timestamptz,
  delta_link text,
  delta_saved_at timestamptz
) WITH (fillfactor = 50);
`;
