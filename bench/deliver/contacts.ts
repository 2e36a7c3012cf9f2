import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { json } from 'node:stream/consumers';
import type { Database } from '../../store/database.ts';
import type { Organization } from '../../store/organizations.ts';
import { until, type Rig } from '../rig.ts';
import { openDeliverStage } from './stage.ts';

const RECIPIENTS = 1_000;
const CHANGED = 10;
const BASE = {
  AIRTABLE_API_KEY: 'patBench.secret',
  AIRTABLE_BASE_ID: 'appBench000000001',
  AIRTABLE_TABLE_NAME: 'Contacts',
};

export interface ContactFigures {
  /** Requests that write, where so few of all recipients have changed. */
  readonly writes: number;
}

/** A sync that finds nothing in Airtable, and another after a few more mails were sent. */
export async function benchContacts(note: (line: string) => void): Promise<ContactFigures> {
  const airtable = await startAirtable();
  const stage = await openDeliverStage(note, { settings: { ...BASE, AIRTABLE_ENDPOINT_URL: airtable.url } });
  const { rig, db, organization } = stage;
  try {
    await storeSent(db, organization, RECIPIENTS);
    note(`${RECIPIENTS} recipients, none of them in Airtable: ${JSON.stringify(await sync(rig, organization))}`);
    const before = airtable.writes();
    await storeSent(db, organization, CHANGED);
    note(`${CHANGED} of them have changed: ${JSON.stringify(await sync(rig, organization))}`);
    return { writes: airtable.writes() - before };
  } finally {
    await stage.close();
    await airtable.close();
  }
}

/** Stores mails that were sent, each to one recipient, the first so many. */
async function storeSent({ pool }: Database, { schema }: Organization, recipients: number): Promise<void> {
  await pool.query(
    `WITH folder AS (
      INSERT INTO ${schema}.mail_folders (id, display_name, path, well_known_name, mailbox_no, _extracted_at, _extraction_type)
      SELECT 'bench-sent', 'Sent Items', 'sentitems', 'sentitems', mailbox_no, now(), 'bench' FROM ${schema}.mailboxes
      ON CONFLICT (mailbox_no, id) DO UPDATE SET _extracted_at = now() RETURNING mailbox_no, folder_no)
    INSERT INTO ${schema}.emails (id, to_recipients, sent_date_time, is_draft, _mailbox_no, _folder_no, _folder, _extracted_at,
      _extraction_type)
    SELECT gen_random_uuid()::text, jsonb_build_array(jsonb_build_object('address', 'person-' || n || '@example.org')),
      now(), false, mailbox_no, folder_no, 'sentitems', now(), 'bench'
    FROM folder CROSS JOIN generate_series(1, $1) AS n`,
    [recipients],
  );
}

/** Syncs once, and answers its counts. */
async function sync(rig: Rig, { organizationId }: Organization): Promise<object> {
  const started = (await rig.call('POST', '/api/v1/contacts/sync', { organizationId })) as { sync: { syncId: string } };
  return until(async () => {
    const answer = await rig.call('GET', `/api/v1/contacts/sync/${started.sync.syncId}`);
    const { status, counts, reason } = answer['sync'] as { status: string; counts: object; reason?: string };
    if (status === 'failed') throw new Error(`The sync failed: ${reason ?? ''}`);
    return status === 'completed' ? counts : undefined;
  }, 250);
}

interface Airtable {
  readonly url: string;
  /** Requests that wrote. */
  writes(): number;
  close(): Promise<void>;
}

/** As much of Airtable as a client needs that keeps to the limits. */
async function startAirtable(): Promise<Airtable> {
  const records: { id: string; createdTime: string; fields: object }[] = [];
  let writes = 0;
  const write = (given: readonly { id?: string; fields: object }[]): object => {
    writes++;
    if (given.length > 10) throw new Error('Airtable takes 10 records a request');
    return {
      records: given.map(({ id, fields }) => {
        const known = records.find((record) => record.id === id);
        if (known) return Object.assign(known, { fields: { ...known.fields, ...fields } });
        const record = { id: `rec${records.length}`, createdTime: new Date().toISOString(), fields };
        records.push(record);
        return record;
      }),
    };
  };
  const list = (offset: number): object => ({
    records: records.slice(offset, offset + 100),
    ...(offset + 100 < records.length && { offset: String(offset + 100) }),
  });
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://airtable');
    const answered =
      request.method === 'GET'
        ? Promise.resolve(list(Number(searchParams.get('offset') ?? 0)))
        : json(request).then((body) => write((body as { records: [] }).records));
    void answered.then(
      (body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
      () => response.writeHead(422).end(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    writes: () => writes,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
