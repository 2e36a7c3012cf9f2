/**
 * Where mail is handed on to, and what is owed there: the outbox.
 *
 * `deliveries` refers to a message by its number in its organization's schema (`emails._no`), and to an attachment by its
 * id within the message. No foreign key leads from it: whoever owes locks the destination against its removal instead,
 * once for a page and not once for a row.
 */
export const sql = `
CREATE TABLE outhaul.destinations (
  destination_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  destination_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
  organization_id text COLLATE "C" NOT NULL REFERENCES outhaul.organizations,
  name text NOT NULL,
  kind text NOT NULL,
  ordered boolean NOT NULL,
  settings json NOT NULL,
  sealed_secret bytea,
  status text NOT NULL DEFAULT 'active',
  starts text NOT NULL,
  feed_after bigint NOT NULL,
  feed_until bigint,
  fed_at timestamptz,
  claim_token text,
  claim_ends_at timestamptz,
  circuit json,
  delivered bigint NOT NULL DEFAULT 0,
  answered bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  changed_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (organization_id, name)
) WITH (fillfactor = 50);
COMMENT ON COLUMN outhaul.destinations.ordered IS 'Its deliveries go out in the order of arrival: one sender at a time, who holds the claim.';
COMMENT ON COLUMN outhaul.destinations.feed_after IS 'Messages up to this number are owed or need not be; those up to feed_until still have to be looked at.';
COMMENT ON COLUMN outhaul.destinations.fed_at IS 'When all of them had been.';
COMMENT ON COLUMN outhaul.destinations.circuit IS 'Null: closed, and nothing has failed.';
COMMENT ON COLUMN outhaul.destinations.answered IS 'Of those delivered: accepted with the answer that something was wrong.';

CREATE TABLE outhaul.deliveries (
  delivery_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  destination_no int NOT NULL,
  organization_id text COLLATE "C" NOT NULL,
  mailbox_no int NOT NULL,
  email_no bigint NOT NULL,
  attachment_id text COLLATE "C" NOT NULL DEFAULT '',
  part int NOT NULL DEFAULT 0,
  ordered boolean NOT NULL,
  status text NOT NULL,
  priority smallint NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  lost int NOT NULL DEFAULT 0,
  replays int NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT now(),
  claim_token text,
  cause text,
  last_error text,
  http_status int,
  answer text,
  owed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  owed_at timestamptz NOT NULL DEFAULT now(),
  delivered_at timestamptz,
  dead_at timestamptz,
  UNIQUE (destination_no, email_no, attachment_id)
);
COMMENT ON COLUMN outhaul.deliveries.attachment_id IS 'Empty where the message itself is owed, or its attachments are not known yet.';
COMMENT ON COLUMN outhaul.deliveries.part IS 'The attachment''s place in its message.';
COMMENT ON COLUMN outhaul.deliveries.next_at IS 'owed: when it is due. claimed: when the claim ends. waiting: how long it holds back what came after it.';
COMMENT ON COLUMN outhaul.deliveries.lost IS 'How often whoever had claimed it was lost.';
COMMENT ON COLUMN outhaul.deliveries.cause IS 'Why the last attempt was refused, as a code; last_error says it in words.';
COMMENT ON COLUMN outhaul.deliveries.owed_xid IS 'The transaction that owed it. Ordered deliveries go by this, email_no and part; one is sure to be next once no older transaction is open.';
CREATE INDEX deliveries_in_order ON outhaul.deliveries (destination_no, owed_xid, email_no, part)
  WHERE ordered AND status = 'owed';
CREATE INDEX deliveries_holding ON outhaul.deliveries (destination_no, next_at) WHERE ordered AND status = 'waiting';
CREATE INDEX deliveries_due ON outhaul.deliveries (destination_no, priority, next_at, delivery_no)
  WHERE NOT ordered AND status IN ('owed', 'claimed');
CREATE INDEX deliveries_waiting ON outhaul.deliveries (organization_id, mailbox_no, email_no) WHERE status = 'waiting';
CREATE INDEX deliveries_dead ON outhaul.deliveries (organization_id, delivery_no) WHERE status = 'dead';
CREATE INDEX deliveries_delivered ON outhaul.deliveries (destination_no, delivered_at) WHERE status = 'delivered';
`;
