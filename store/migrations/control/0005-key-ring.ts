/** Since when a key of the ring seals no more: what began later does not need it. */
export const sql = `
CREATE TABLE outhaul.retired_keys (
  key_id text COLLATE "C" PRIMARY KEY,
  retired_at timestamptz NOT NULL DEFAULT now()
);
`;
