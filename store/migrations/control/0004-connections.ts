/** Connections have ids of their own and are checked without a scan. */
export const sql = `
ALTER TABLE outhaul.connections
  ADD COLUMN connection_id uuid NOT NULL DEFAULT gen_random_uuid(),
  ADD COLUMN secret_expires_at timestamptz;
CREATE UNIQUE INDEX connections_id ON outhaul.connections (connection_id);
COMMENT ON COLUMN outhaul.connections.connection_id IS 'Stays when the credential is replaced; connection_no does not.';
COMMENT ON COLUMN outhaul.connections.secret_expires_at IS 'As someone told it: a secret does not say when it ends.';

CREATE TABLE outhaul.connection_checks (
  check_no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id text COLLATE "C" NOT NULL REFERENCES outhaul.organizations,
  connection_id uuid,
  mailbox text,
  requested_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  outcome text,
  findings json,
  connection_no int,
  tenant_id text,
  client_id text,
  cloud text,
  sealed_credential bytea,
  secret_expires_at timestamptz
);
COMMENT ON COLUMN outhaul.connection_checks.connection_id IS 'The connection that is checked, or whose credential the candidate is to replace. Null where the candidate is the first.';
COMMENT ON COLUMN outhaul.connection_checks.connection_no IS 'Of a candidate: the number it is sealed for and gets when it works. Null where the active connection is checked.';
CREATE INDEX connection_checks_of ON outhaul.connection_checks (organization_id, check_no);
`;
