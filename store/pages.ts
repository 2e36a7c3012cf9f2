import { DEFAULT_CONTENT, keepsBodies, type Content } from '../model/content.ts';
import { isPartial, mergeEmail, toEmailRow, type EmailRow } from '../model/email.ts';
import type { GraphMessage, RemovedMessage } from '../model/mail.ts';
import { storableText } from '../model/text.ts';
import {
  run,
  runPrepared,
  transaction,
  withClient,
  type Client,
  type Database,
  type NamedStatement,
  nameOf,
} from './database.ts';
import { EMAIL_COLUMNS, encodeRows, type PageRow } from './email-columns.ts';
import { LeaseLost, RoundLost, StoreUnavailable, UnknownScan, UnknownTaker, sqlState } from './errors.ts';
import type { Organization } from './organizations.ts';
import { encodeOwed, type OwedTo } from './owing.ts';
import { pageStatement, type PageAnswer } from './page-statement.ts';
import { quarantineStatement } from './quarantine.ts';
import { byId, handedOver } from './values.ts';

/** Messages of one folder, as Graph sent them. */
export interface FolderMessages {
  readonly mailboxId: string;
  readonly leaseToken: string;
  readonly folder: { readonly id: string; readonly path: string };
  /** The scans that see these messages. */
  readonly scanNos: readonly number[];
  /** The scan that rows changed now are said to have been changed by; null: none. */
  readonly scanId: string | null;
  /** Of several with one id, the last counts. */
  readonly messages: readonly GraphMessage[];
  /**
   * Lets go of the messages (`messages` is empty then) when they are on their way to PostgreSQL, and brings them back where
   * they are needed again. Default: they stay.
   */
  readonly held?: HeldList | undefined;
  readonly removed: readonly RemovedMessage[];
  /** What was read of the messages: without bodies, those that are stored stay. Default: `full`. */
  readonly content?: Content | undefined;
  /** Whether the page's text has escapes of NUL or surrogates in it: its strings are looked through then. */
  readonly suspicious: boolean;
  /**
   * To which destinations a message is owed that is stored now for the first time, or was a draft until now, as it is
   * known now; it is asked of others as well. Default: to none.
   */
  readonly owes?: ((email: EmailRow) => readonly OwedTo[]) | undefined;
  /** All of the organization's destinations that `owes` knows of, by number. Default: nobody asks whether there are more. */
  readonly destinationNos?: readonly number[] | undefined;
}

/** A list that need not stand in memory while it is waited with. */
export interface HeldList {
  letGo(): void;
  again(): readonly GraphMessage[];
}

/** Messages, also where they have been let go of. */
export const messagesOf = ({ messages, held }: Pick<FolderMessages, 'messages' | 'held'>): readonly GraphMessage[] =>
  messages.length === 0 && held ? held.again() : messages;

/** One response of Graph, and where the reading of its folder stands after it. */
export interface Page extends FolderMessages {
  /** How many messages of the page the filters left out. Default 0. */
  readonly excluded?: number;
  readonly progress: {
    /** The round that the page belongs to. */
    readonly round: number;
    /** Where the round goes on; a delta link, or `end` where there is none, closes it and completes the folder. */
    readonly next: { readonly link: string } | { readonly deltaLink: string } | { readonly end: true };
    /** Messages asked for in one page, for whoever goes on. */
    readonly pageSize: number;
  };
}

/** A page, or messages that belong to none. */
type Written = FolderMessages & Partial<Pick<Page, 'excluded' | 'progress'>>;

const NO_PROGRESS = { round: null, next: { end: true }, pageSize: null } as const;

/** SQLSTATE of a row for which `scan_messages` has no partition, and, with a name, of a check that an operator has added. */
const CHECK_VIOLATED = '23514';

/** What became of the messages of a page. */
export interface PageResult {
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  /** Of the updated: those that had been taken for deleted. */
  readonly restored: number;
  /** Messages that the database refuses, each with its SQLSTATE. They are in quarantine now. */
  readonly refused: readonly { readonly id: string; readonly code: string }[];
  /** Destinations that are owed something now which can be sent, by number; absent where nothing was to be owed. */
  readonly owed?: readonly number[];
}

/**
 * Stores a page: messages, what the scans have seen, the folder's round and all counters, in one transaction. A page
 * written again changes nothing. A partial delta record is merged into the stored message. A message that the database
 * refuses goes into quarantine. A message that is new is owed to its destinations in the same transaction, and so is one
 * that was stored as a draft and is none any more; another that was stored before and has changed, moved or come back is
 * owed to none.
 *
 * @throws {LeaseLost} when the mailbox's lease is not held under the token; nothing is written
 * @throws {RoundLost} when the round is not the folder's open one; nothing is written
 * @throws {UnknownScan} when a scan was discarded or never ran
 * @throws {UnknownTaker} when there is a destination of which `owes` knows nothing; nothing is written
 */
export const writePage = (db: Database, organization: Organization, page: Page): Promise<PageResult> =>
  write(db, organization, page);

/**
 * Stores messages that were read by id, as `writePage` does; the round of their folder stays as it is.
 * @throws {LeaseLost} as `writePage` does
 * @throws {RoundLost} when the folder was never read
 * @throws {UnknownTaker} as `writePage` does
 */
export const writeMessages = (
  db: Database,
  organization: Organization,
  messages: FolderMessages,
): Promise<PageResult> => write(db, organization, messages);

async function write(db: Database, organization: Organization, page: Written): Promise<PageResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await writeWhole(db, organization, page);
    } catch (error) {
      if (isDataFault(error)) {
        return page.suspicious
          ? writeSingly(db, organization, page)
          : write(db, organization, { ...page, suspicious: true });
      }
      if (sqlState(error) === CHECK_VIOLATED) throw new UnknownScan(page.scanNos[0] ?? 0);
      // Two folders' pages that hold the same moved messages may stand in each other's way: one of them tries again.
      if (attempt === 3 || !(error instanceof StoreUnavailable) || sqlState(error.cause) !== '40P01') throw error;
    }
  }
}

async function writeWhole(db: Database, organization: Organization, page: Written): Promise<PageResult> {
  const statement = wholeStatement(organization, page);
  if (!statement) return transaction(db, (client) => writeMerged(client, organization, page));
  const [answer] = await withClient(db.pool, (client) => runPrepared<PageAnswer>(client, statement));
  return resultOf(page, answer);
}

/** The statement of a page without partial records, whose messages are let go of; undefined where there are some. */
function wholeStatement(organization: Organization, page: Written): NamedStatement | undefined {
  const messages = byId(messagesOf(page));
  for (const message of messages.values()) if (isPartial(message, page.content)) return undefined;
  const statement = statementOf(organization, page, messages, new Map());
  page.held?.letGo();
  return statement;
}

async function writeMerged(client: Client, organization: Organization, page: Written): Promise<PageResult> {
  const messages = byId(messagesOf(page));
  const partial = [...messages].filter(([, message]) => isPartial(message, page.content)).map(([id]) => id);
  const stored = await storedRows(client, organization, page.mailboxId, partial);
  const [answer] = await runPrepared<PageAnswer>(client, statementOf(organization, page, messages, stored));
  return resultOf(page, answer);
}

type StoredRow = Pick<PageRow, 'row' | 'content'>;

/** What is stored of some messages, locked until the page is written. */
async function storedRows(
  client: Client,
  { schema }: Organization,
  mailboxId: string,
  ids: readonly string[],
): Promise<Map<string, StoredRow>> {
  const rows = await run<EmailRow & { content: StoredRow['content'] }>(client, {
    text: `SELECT e._content AS content, ${EMAIL_COLUMNS.map((column) => `e.${column}`).join(', ')}
      FROM ${schema}.emails e JOIN ${schema}.mailboxes m ON m.mailbox_no = e._mailbox_no
      WHERE m.id = $1 AND e.id = ANY($2) ORDER BY e._no FOR NO KEY UPDATE OF e`,
    values: [mailboxId, ids],
  });
  return new Map(rows.map(({ content, ...row }) => [row.id, { row, content }]));
}

function statementOf(
  organization: Organization,
  page: Written,
  messages: ReadonlyMap<string, GraphMessage>,
  stored: ReadonlyMap<string, StoredRow>,
): NamedStatement {
  const { mailboxId, leaseToken, folder, scanNos, scanId, suspicious, owes, excluded = 0, progress } = page;
  const { content = DEFAULT_CONTENT, destinationNos = null } = page;
  const readAs = keepsBodies(content) ? 'full' : 'headers';
  const { round, next, pageSize } = progress ?? NO_PROGRESS;
  const removed = new Set(page.removed.map(({ id }) => storableText(id)));
  const rows: PageRow[] = [];
  const owed = new Map<string, readonly OwedTo[]>();
  for (const [id, message] of messages) {
    const before = stored.get(id);
    const row = before ? mergeEmail(before.row, message, suspicious) : toEmailRow(message, suspicious);
    const merged = before !== undefined && JSON.stringify(row) !== JSON.stringify(before.row);
    const read = before && isPartial(message, content) ? before.content : readAs;
    rows.push({ row, content: read, merged, removed: removed.delete(id) });
    const destinations = before && !before.row.is_draft ? [] : (owes?.(row) ?? []);
    if (destinations.length > 0) owed.set(row.id, destinations);
  }
  const { text, key } = encodeRows(rows);
  const keeps = content === 'attachments' || content === 'mime' ? content : undefined;
  const statement = pageStatement(organization, { owes: owed.size > 0, keeps });
  return {
    // A page that owes nothing has a statement of its own, and costs nothing more.
    name: owed.size > 0 || keeps ? nameOf({ text: statement }) : organization.schema.slice(1, -1),
    text: statement,
    values: [
      mailboxId,
      leaseToken,
      storableText(folder.id),
      round,
      'link' in next ? next.link : null,
      'deltaLink' in next ? next.deltaLink : null,
      pageSize,
      handedOver(text),
      key,
      [...removed],
      scanNos,
      scanId,
      storableText(folder.path),
      excluded,
      organization.organizationId,
      destinationNos,
      ...(owed.size > 0 ? encodeOwed(owed) : []),
    ],
  };
}

function resultOf({ mailboxId, folder }: Written, answer: PageAnswer | undefined): PageResult {
  if (!answer || answer.held === 0) throw new LeaseLost(mailboxId);
  if (answer.unknowing) throw new UnknownTaker();
  if (answer.open === 0) throw new RoundLost(folder.id);
  const { inserted, updated, unchanged, restored, owed } = answer;
  return { inserted, updated, unchanged, restored, refused: [], ...(owed && { owed }) };
}

/**
 * Stores a page that the database refuses as a whole, message by message, still in one transaction: one bad message
 * never costs its page, its folder or its scan.
 */
const writeSingly = (db: Database, organization: Organization, page: Written): Promise<PageResult> =>
  transaction(db, async (client) => {
    const results: PageResult[] = [];
    const refused: { id: string; code: string }[] = [];
    for (const [id, message] of byId(messagesOf(page))) {
      const single = { ...page, messages: [message], held: undefined, removed: [], excluded: 0 };
      await run(client, { text: 'SAVEPOINT message' });
      try {
        results.push(await writeMerged(client, organization, single));
      } catch (error) {
        if (!isDataFault(error)) throw error;
        await run(client, { text: 'ROLLBACK TO message' });
        refused.push({ id, code: sqlState(error) ?? 'RangeError' });
      }
    }
    results.push(await writeMerged(client, organization, { ...page, messages: [], held: undefined }));
    const { mailboxId, leaseToken, folder, scanNos } = page;
    const messages = refused.map(({ id, code }) => ({ id, cause: code, unreadable: [], stored: false }));
    const entries = { mailboxId, leaseToken, folder, scanNo: scanNos[0] ?? null, messages };
    if (refused.length > 0) await run(client, quarantineStatement(organization, entries));
    return { ...sumOf(results), refused };
  });

const sumOf = (results: readonly PageResult[]): Omit<PageResult, 'refused'> => ({
  ...(results.some(({ owed }) => owed) && { owed: [...new Set(results.flatMap(({ owed }) => owed ?? []))] }),
  inserted: results.reduce((sum, { inserted }) => sum + inserted, 0),
  updated: results.reduce((sum, { updated }) => sum + updated, 0),
  unchanged: results.reduce((sum, { unchanged }) => sum + unchanged, 0),
  restored: results.reduce((sum, { restored }) => sum + restored, 0),
});

/** SQLSTATE classes 22 (data exception) and 54 (limit exceeded), or a record nested too deep to be written as JSON. */
const isDataFault = (error: unknown): boolean =>
  error instanceof RangeError || /^(22|54)/.test(sqlState(error) ?? '') || isOperatorsCheck(error);

const isOperatorsCheck = (error: unknown): boolean =>
  sqlState(error) === CHECK_VIOLATED && (error as { constraint?: string }).constraint !== undefined;
