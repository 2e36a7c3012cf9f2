/** What Graph holds of each folder beside what is stored, once the folder was reconciled at the end of its reading. */
export const sql = `
ALTER TABLE outhaul.scan_folders
  ADD COLUMN graph_messages bigint,
  ADD COLUMN stored bigint,
  ADD COLUMN quarantined bigint,
  ADD COLUMN left_out bigint,
  ADD COLUMN unexplained bigint,
  ADD COLUMN reconciled_at timestamptz;
COMMENT ON COLUMN outhaul.scan_folders.graph_count IS 'As the folder''s counter has it: a hint, items that are no messages included.';
COMMENT ON COLUMN outhaul.scan_folders.graph_messages IS 'Messages that Graph counts, or names in a walk of ids where the count misled.';
COMMENT ON COLUMN outhaul.scan_folders.left_out IS 'Messages outside of the window of time that the scan asked for.';

CREATE TABLE outhaul.unexplained_messages (
  scan_no int NOT NULL REFERENCES outhaul.scans ON DELETE CASCADE,
  mailbox_id text COLLATE "C" NOT NULL,
  folder_id text COLLATE "C" NOT NULL,
  message_key bytea NOT NULL,
  message_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (scan_no, mailbox_id, folder_id, message_key)
);
COMMENT ON TABLE outhaul.unexplained_messages IS 'Messages that Graph names and that are neither stored, nor in quarantine, nor left out.';
`;
