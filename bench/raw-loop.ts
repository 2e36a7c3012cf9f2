import { performance } from 'node:perf_hooks';
import pLimit from 'p-limit';
import pg from 'pg';
import { Agent, request } from 'undici';
import { toEmailRow } from '../model/email.ts';
import { MESSAGE_MEMBERS, type GraphMessage } from '../model/mail.ts';
import { EMAIL_COLUMNS, decodedRows, encodeRows } from '../store/email-columns.ts';

/**
 * What the scan is compared with: fetch, parse, bulk upsert, and nothing else. The same requests, columns and
 * statement form as the product's, without lease, rounds, links, counters, what a scan has seen, Temporal, retries or
 * deadlines. Reads `RawLoopOptions` as JSON from its argument and answers its parent with `RawLoopResult`.
 */
export interface RawLoopOptions {
  readonly graphUrl: string;
  readonly token: string;
  readonly databaseUrl: string;
  readonly pageSize: number;
  /** Folders walked at a time. */
  readonly walkers: number;
  readonly folders: readonly { readonly mailboxId: string; readonly folderId: string }[];
}

export interface RawLoopResult {
  readonly messages: number;
  readonly seconds: number;
}

interface DeltaPage {
  readonly value: GraphMessage[];
  readonly '@odata.nextLink'?: string;
}

const columns = EMAIL_COLUMNS.join(', ');
const assigned = EMAIL_COLUMNS.map((column) => `${column} = excluded.${column}`).join(', ');
const UPSERT = `INSERT INTO raw_emails (${columns}) SELECT ${columns} FROM (${decodedRows('$1', '$2')}) page
  ON CONFLICT (id) DO UPDATE SET ${assigned}`;

export async function rawLoop(options: RawLoopOptions): Promise<RawLoopResult> {
  const { graphUrl, token, databaseUrl, pageSize, walkers, folders } = options;
  const dispatcher = new Agent({ connections: walkers });
  const pool = new pg.Pool({ connectionString: databaseUrl, max: walkers });
  const headers = { authorization: `Bearer ${token}`, prefer: `odata.maxpagesize=${pageSize}, IdType="ImmutableId"` };
  let messages = 0;
  const walk = async (mailboxId: string, folderId: string): Promise<void> => {
    const path = `/v1.0/users/${mailboxId}/mailFolders/${encodeURIComponent(folderId)}/messages/delta`;
    let link: string | undefined = `${graphUrl}${path}?$select=${MESSAGE_MEMBERS.join(',')}`;
    while (link !== undefined) {
      const { body } = await request(link, { dispatcher, headers });
      const page = (await body.json()) as DeltaPage;
      const rows = page.value.map((message) => ({
        row: toEmailRow(message, false),
        content: 'full' as const,
        merged: false,
        removed: false,
      }));
      const { text, key } = encodeRows(rows);
      await pool.query({ name: 'upsert', text: UPSERT, values: [text, key] });
      messages += page.value.length;
      link = page['@odata.nextLink'];
    }
  };
  const limit = pLimit(walkers);
  const started = performance.now();
  await Promise.all(folders.map(({ mailboxId, folderId }) => limit(() => walk(mailboxId, folderId))));
  const seconds = (performance.now() - started) / 1000;
  await pool.end();
  await dispatcher.close();
  return { messages, seconds };
}

if (process.send) {
  process.send(await rawLoop(JSON.parse(process.argv[2] ?? '{}') as RawLoopOptions));
  process.disconnect();
}
