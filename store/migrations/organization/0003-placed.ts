/** Messages that lie in a folder of which that folder's delta may never tell that they have left it. */
export const sql = (schema: string): string => `
CREATE TABLE ${schema}.placed (
  email_no bigint PRIMARY KEY,
  folder_no int NOT NULL,
  placed_at timestamptz NOT NULL
);
CREATE INDEX placed_folder ON ${schema}.placed (folder_no);
COMMENT ON TABLE ${schema}.placed IS
  'Messages found in a folder by id or in a list, and not told by the delta of that folder yet.';
`;
