/** Where the probe of a mailbox for changes goes on: the delta of its folder tree. */
export const sql = (schema: string): string => `
ALTER TABLE ${schema}.mailboxes
  ADD COLUMN _tree_link text,
  ADD COLUMN _probed_at timestamptz;
COMMENT ON COLUMN ${schema}.mailboxes._tree_link IS 'Delta link of the folder tree, as it was before the last delta round was asked for.';
`;
