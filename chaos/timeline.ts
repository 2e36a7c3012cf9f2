import pg from 'pg';
import type { Organization } from '../store/organizations.ts';

/** Something that the product has committed. */
export interface Event {
  /** By the machine's clock, ms. */
  readonly at: number;
  /** `page`: a page was stored; `round`: a folder is read anew; `mailbox`: one has ended; `scan`: its status changed. */
  readonly kind: 'page' | 'round' | 'mailbox' | 'scan';
  readonly scanNo: number | null;
  readonly mailboxId: string | null;
  readonly folderId: string | null;
  /** The page's own link; null for the first page of a round from nothing. */
  readonly link: string | null;
  readonly state: string | null;
}

const SETUP = (schema: string): string => `
CREATE SCHEMA chaos;
CREATE TABLE chaos.events (
  no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind text NOT NULL,
  scan_no int,
  mailbox_id text,
  folder_id text,
  link text,
  state text
);
CREATE FUNCTION chaos.page() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos.events (kind, mailbox_id, folder_id, link)
  SELECT CASE WHEN OLD.round_no = NEW.round_no THEN 'page' ELSE 'round' END, m.id, f.id,
    CASE WHEN OLD.round_no = NEW.round_no
      THEN coalesce(OLD.next_link, CASE WHEN NOT OLD.from_nothing THEN OLD.delta_link END) END
  FROM ${schema}.mail_folders f JOIN ${schema}.mailboxes m USING (mailbox_no) WHERE f.folder_no = NEW.folder_no;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos AFTER UPDATE ON ${schema}.sync_state FOR EACH ROW
  WHEN ((OLD.round_no, OLD.next_link, OLD.round_ended_at) IS DISTINCT FROM (NEW.round_no, NEW.next_link, NEW.round_ended_at))
  EXECUTE FUNCTION chaos.page();
CREATE FUNCTION chaos.mailbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos.events (kind, scan_no, mailbox_id, state) VALUES ('mailbox', NEW.scan_no, NEW.mailbox_id, NEW.state);
  RETURN NULL;
END $$;
CREATE TRIGGER chaos AFTER UPDATE ON outhaul.scan_mailboxes FOR EACH ROW
  WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION chaos.mailbox();
CREATE FUNCTION chaos.scan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos.events (kind, scan_no, state) VALUES ('scan', NEW.scan_no, NEW.status);
  RETURN NULL;
END $$;
CREATE TRIGGER chaos AFTER UPDATE ON outhaul.scans FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION chaos.scan();
`;

/** Has the database itself write down what is committed, and when: nothing is lost with a process that is killed. */
export async function recordEvents(url: string, { schema }: Organization): Promise<void> {
  await withClient(url, (client) => client.query(SETUP(schema)));
}

/** Everything committed so far, in order. */
export async function readEvents(url: string): Promise<Event[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<Event>(`
      SELECT (extract(epoch FROM at) * 1000)::float8 AS at, kind, scan_no AS "scanNo", mailbox_id AS "mailboxId",
        folder_id AS "folderId", link, state
      FROM chaos.events ORDER BY no`);
    return rows;
  });
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
