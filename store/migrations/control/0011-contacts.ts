/** To which Airtable the statistics of recipients go, and what the syncs have come to. */
export const sql = `
CREATE TABLE outhaul.contact_settings (
  settings_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id text COLLATE "C" NOT NULL UNIQUE REFERENCES outhaul.organizations,
  base_id text,
  table_name text,
  sealed_api_key bytea,
  columns json NOT NULL,
  mailboxes text[],
  on_change boolean NOT NULL,
  every_seconds int,
  changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN outhaul.contact_settings.base_id IS 'Null, with the table and the key: those that the environment names.';
COMMENT ON COLUMN outhaul.contact_settings.mailboxes IS 'Whose sent items count; null: those that the environment names, or all.';
COMMENT ON COLUMN outhaul.contact_settings.on_change IS 'Whether changed statistics start a sync.';
COMMENT ON COLUMN outhaul.contact_settings.every_seconds IS 'Between two syncs of the Schedule; null: there is none.';

CREATE TABLE outhaul.contact_syncs (
  sync_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sync_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
  organization_id text COLLATE "C" NOT NULL REFERENCES outhaul.organizations,
  dry_run boolean NOT NULL,
  started_by text NOT NULL,
  status text NOT NULL DEFAULT 'pending',
  requested_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  ended_at timestamptz,
  counts json,
  reason text
) WITH (fillfactor = 70);
COMMENT ON COLUMN outhaul.contact_syncs.started_by IS 'call, schedule or change.';
COMMENT ON COLUMN outhaul.contact_syncs.status IS 'pending, running, completed, or failed with the reason in words.';
CREATE INDEX contact_syncs_latest ON outhaul.contact_syncs (organization_id, sync_no);

CREATE TABLE outhaul.contact_sync_events (
  sync_no int NOT NULL REFERENCES outhaul.contact_syncs ON DELETE CASCADE,
  event_no int NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  event json NOT NULL,
  PRIMARY KEY (sync_no, event_no)
);

CREATE TABLE outhaul.airtable_claims (
  base_id text COLLATE "C" PRIMARY KEY,
  claim_token text NOT NULL,
  claim_ends_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE outhaul.airtable_claims IS 'Who may ask a base: its limit of requests holds for all together.';
`;
