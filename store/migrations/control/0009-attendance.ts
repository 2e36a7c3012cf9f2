/** Who looks after a destination, and how it was when it was last asked. */
export const sql = `
ALTER TABLE outhaul.destinations ADD COLUMN attended_until timestamptz, ADD COLUMN health json,
  ADD COLUMN health_at timestamptz;
COMMENT ON COLUMN outhaul.destinations.attended_until IS 'Somebody who sends to it has promised to look again at this time or later: until shortly before, nobody need be woken for it.';
COMMENT ON COLUMN outhaul.destinations.health IS 'How it was when it was last tried or asked; null: nobody has.';
`;
