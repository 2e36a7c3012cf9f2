/**
 * Statistics of recipients, from the mail in sent items.
 *
 * What may surprise: the triggers are off until somebody wants statistics (`store/contact-counting.ts`). From then on every
 * row that changes what is counted leaves its number in `contact_changes`, in its own transaction, whoever writes it.
 */
export const sql = (schema: string): string => `
CREATE TABLE ${schema}.contacts (
  contact_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  address text COLLATE "C" NOT NULL,
  mailbox_no int NOT NULL,
  domain text NOT NULL,
  total_mails_sent bigint NOT NULL DEFAULT 0,
  last_interacted_date timestamptz,
  UNIQUE (address, mailbox_no)
) WITH (fillfactor = 80);
COMMENT ON TABLE ${schema}.contacts IS 'Recipients of the mail that a mailbox has sent: to whom, how many, when last.';

CREATE TABLE ${schema}.contact_mails (
  email_no bigint NOT NULL,
  contact_no int NOT NULL,
  sent_at timestamptz,
  PRIMARY KEY (email_no, contact_no)
);
COMMENT ON TABLE ${schema}.contact_mails IS 'What has been counted: each recipient of a mail once.';
CREATE INDEX contact_mails_latest ON ${schema}.contact_mails (contact_no, sent_at);

CREATE TABLE ${schema}.contact_changes (
  change_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  email_no bigint NOT NULL
);
COMMENT ON TABLE ${schema}.contact_changes IS 'Mails that have to be counted anew.';

CREATE TABLE ${schema}.contact_counting (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  feed_after bigint NOT NULL,
  feed_until bigint NOT NULL,
  counted_at timestamptz,
  changes bigint NOT NULL DEFAULT 0,
  synced bigint,
  woken_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE ${schema}.contact_counting IS 'Has its one row while statistics are kept.';
COMMENT ON COLUMN ${schema}.contact_counting.feed_after IS 'Mails up to this number have been looked at; those up to feed_until were there before.';
COMMENT ON COLUMN ${schema}.contact_counting.changes IS 'How often a contact has changed; synced is that number as the last sync began that has completed; null: none has.';

CREATE TABLE ${schema}.contact_differences (
  sync_no int NOT NULL,
  position int NOT NULL,
  change text NOT NULL,
  address text NOT NULL,
  before json,
  after json NOT NULL,
  PRIMARY KEY (sync_no, position)
);
COMMENT ON TABLE ${schema}.contact_differences IS 'What the last dry run of a sync would have written.';

CREATE FUNCTION ${schema}.note_sent_mail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ${schema}.contact_changes (email_no) VALUES (NEW._no);
  RETURN NULL;
END $$;
CREATE TRIGGER sent_mail_added AFTER INSERT ON ${schema}.emails
  FOR EACH ROW WHEN (NEW._folder = 'sentitems')
  EXECUTE FUNCTION ${schema}.note_sent_mail();
CREATE TRIGGER sent_mail_changed AFTER UPDATE ON ${schema}.emails
  FOR EACH ROW WHEN ((OLD._folder = 'sentitems' OR NEW._folder = 'sentitems') AND
    (OLD._folder_no, OLD._folder, OLD._deleted_at, OLD.is_draft, OLD.sent_date_time, OLD.received_date_time,
      OLD.to_recipients, OLD.cc_recipients, OLD.bcc_recipients) IS DISTINCT FROM
    (NEW._folder_no, NEW._folder, NEW._deleted_at, NEW.is_draft, NEW.sent_date_time, NEW.received_date_time,
      NEW.to_recipients, NEW.cc_recipients, NEW.bcc_recipients))
  EXECUTE FUNCTION ${schema}.note_sent_mail();
ALTER TABLE ${schema}.emails DISABLE TRIGGER sent_mail_added;
ALTER TABLE ${schema}.emails DISABLE TRIGGER sent_mail_changed;
`;
