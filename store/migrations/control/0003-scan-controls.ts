/** What pause, resume and retry-failed need to know of a scan. */
export const sql = `
ALTER TABLE outhaul.scans
  ADD COLUMN step_no int NOT NULL DEFAULT 0,
  ADD COLUMN discovered_at timestamptz,
  ADD COLUMN retried_at timestamptz,
  ADD COLUMN idle_since timestamptz,
  ADD COLUMN idle_ms bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN outhaul.scans.step_no IS 'The latest step of the scan''s workflow; what comes late from an earlier one changes nothing.';
COMMENT ON COLUMN outhaul.scans.discovered_at IS 'When the tenant''s users were listed to the end.';
COMMENT ON COLUMN outhaul.scans.retried_at IS 'When it was last opened again after an end.';
COMMENT ON COLUMN outhaul.scans.idle_since IS 'Since when it stands still, though it was started: paused, or opened again and waiting for its turn.';
COMMENT ON COLUMN outhaul.scans.idle_ms IS 'How long it stood still before that, all in all.';
`;
