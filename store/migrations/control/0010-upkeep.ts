/** What upkeep notes of an organization. */
export const sql = `
ALTER TABLE outhaul.organizations ADD COLUMN blobs_tidied_at timestamptz;
COMMENT ON COLUMN outhaul.organizations.blobs_tidied_at IS 'When somebody last began to remove blobs to which nothing refers; null: never, or it was left unfinished.';
`;
