import { afterAll, beforeAll } from 'vitest';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import type { FolderWithPath } from '../../model/folders.ts';
import type { GraphMessage, GraphUser } from '../../model/mail.ts';
import type { ScanFilters } from '../../model/scan.ts';
import { closeDatabase, openDatabase, query, type Database, type DatabaseOptions } from '../../store/database.ts';
import { saveFolders } from '../../store/folders.ts';
import type { HeldMailbox } from '../../store/lease-guard.ts';
import { acquireLease } from '../../store/leases.ts';
import { migrate } from '../../store/migrate.ts';
import { ensureOrganization, type Organization } from '../../store/organizations.ts';
import type { Page } from '../../store/pages.ts';
import { recordUsers } from '../../store/scan-mailboxes.ts';
import { addScan } from '../../store/scans.ts';
import { startFolders } from '../../store/scan-folders.ts';
import { openRounds, roundOf, type Round, type RoundsRequest } from '../../store/sync-state.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

export const sealer = parseKeyRing(generateKey());
export const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface StoreFixture {
  readonly db: Database;
  /** Opens another pool, as another process would have. */
  open(options?: Partial<DatabaseOptions>): Database;
  /** Runs SQL as an operator would. */
  sql<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  readonly url: string;
}

/** A database of its own for a test file; `migrated: false` leaves it empty. */
export function useStore({ migrated = true } = {}): StoreFixture {
  let test: TestDatabase;
  const opened: Database[] = [];
  const open = (options: Partial<DatabaseOptions> = {}): Database => {
    const db = openDatabase({ url: test.url, poolSize: 5, sealer, log, ...options });
    opened.push(db);
    return db;
  };
  let db: Database;
  beforeAll(async () => {
    test = await createTestDatabase();
    db = open();
    if (migrated) await migrate(db);
  });
  afterAll(async () => {
    for (const each of opened) await closeDatabase(each);
    await test.drop();
  });
  return {
    get db() {
      return db;
    },
    get url() {
      return test.url;
    },
    open,
    sql: (text, values = []) => query(db, { text, values }),
  };
}

let counter = 0;
/** A name that no other test uses. */
export const unique = (prefix: string): string => `${prefix}-${++counter}`;

export const user = (id: string, more: Partial<GraphUser> = {}): GraphUser => ({
  id,
  displayName: `User ${id}`,
  mail: `${id}@contoso.example`,
  userPrincipalName: `${id}@contoso.example`,
  userType: 'Member',
  accountEnabled: true,
  ...more,
});

export const folder = (id: string, more: Partial<FolderWithPath> = {}): FolderWithPath => ({
  id,
  displayName: id,
  parentFolderId: 'root',
  childFolderCount: 0,
  totalItemCount: 10,
  isHidden: false,
  isVirtual: false,
  path: id,
  wellKnownName: null,
  ...more,
});

/** A message with every member that Outhaul asks for. */
export const message = (id: string, more: object = {}): GraphMessage => ({
  '@odata.etag': `W/"ck-${id}"`,
  id,
  createdDateTime: '2024-03-01T10:20:30Z',
  lastModifiedDateTime: '2024-03-01T10:20:31Z',
  changeKey: `ck-${id}`,
  categories: ['blue'],
  receivedDateTime: '2024-03-01T10:20:30Z',
  sentDateTime: '2024-03-01T10:20:29Z',
  hasAttachments: false,
  internetMessageId: `<${id}@mail.contoso.example>`,
  subject: `Subject of ${id}`,
  bodyPreview: 'Hello',
  importance: 'normal',
  parentFolderId: 'inbox-id',
  conversationId: 'conversation',
  conversationIndex: 'AQHa',
  isDeliveryReceiptRequested: false,
  isReadReceiptRequested: false,
  isRead: false,
  isDraft: false,
  webLink: 'https://outlook.office365.com/owa/?ItemID=1',
  inferenceClassification: 'focused',
  body: { contentType: 'html', content: '<p>Hello</p>' },
  sender: { emailAddress: { name: 'Ada', address: 'ada@contoso.example' } },
  from: { emailAddress: { name: 'Ada', address: 'ada@contoso.example' } },
  toRecipients: [{ emailAddress: { name: 'Bob', address: 'bob@contoso.example' } }],
  ccRecipients: [],
  bccRecipients: [],
  replyTo: [],
  flag: { flagStatus: 'notFlagged' },
  ...more,
});

/** Takes the lease of a mailbox, or keeps it, under one token for all tests. */
export async function hold(db: Database, organization: Organization, mailboxId: string): Promise<HeldMailbox> {
  const leaseToken = 'token-1';
  const { acquired } = await acquireLease(db, organization, { mailboxId, token: leaseToken, seconds: 60 });
  if (!acquired) throw new Error('Another has the lease');
  return { mailboxId, leaseToken };
}

/** A mailbox under lease in a running scan, one folder of it open for reading. */
export interface Reading {
  readonly organization: Organization;
  readonly scanNo: number;
  readonly mailboxId: string;
  readonly leaseToken: string;
  readonly request: RoundRequest;
  /** A page of the open round; the rest of it is as usual unless told. */
  page(messages: readonly GraphMessage[], more?: Partial<Page>): Page;
}

export interface ReadingOptions {
  readonly organizationId?: string;
  readonly scanId?: string;
  readonly mailboxId?: string;
  readonly mode?: 'full' | 'incremental';
  readonly filters?: Partial<ScanFilters>;
  /** Default `['inbox-id']`; the first is the one that is open. */
  readonly folders?: readonly string[];
}

export type RoundRequest = Omit<RoundsRequest, 'folders'> & { readonly folder: { readonly id: string } };

/** The round of one folder. */
export async function openRound(
  db: Database,
  organization: Organization,
  { folder, ...request }: RoundRequest,
): Promise<Round> {
  return roundOf(await openRounds(db, organization, { ...request, folders: [folder] }), folder);
}

export async function startReading(db: Database, options: ReadingOptions = {}): Promise<Reading> {
  const { organizationId = unique('org'), scanId = unique('scan'), mailboxId = 'mailbox-1', mode = 'full' } = options;
  const { folders = ['inbox-id'] } = options;
  const organization = await ensureOrganization(db, organizationId);
  const filters = { folders: ['all'], ...options.filters };
  const { scanNo } = await addScan(db, { organizationId, scanId, mode, filters, status: 'running' });
  await recordUsers(db, organization, { scanNo, tenantId: 'tenant-1', users: [{ user: user(mailboxId) }] });
  const { leaseToken } = await hold(db, organization, mailboxId);
  await saveFolders(db, organization, { mailboxId, leaseToken, scanId, folders: folders.map((id) => folder(id)) });
  await startFolders(db, organization, {
    scanNos: [scanNo],
    mailboxId,
    leaseToken,
    folders: folders.map((id) => ({ id, path: id, graphCount: 10 })),
  });
  const [id = ''] = folders;
  const request: RoundRequest = { mailboxId, leaseToken, folder: { id }, scanNos: [scanNo], mode, method: 'delta' };
  const { round } = await openRound(db, organization, request);
  return {
    organization,
    scanNo,
    mailboxId,
    leaseToken,
    request,
    page: (messages, more = {}) => ({
      mailboxId,
      leaseToken,
      folder: { id, path: id },
      scanNos: [scanNo],
      scanId,
      messages,
      removed: [],
      suspicious: false,
      progress: {
        round,
        next: { link: `https://graph/next?${unique('page')}` },
        pageSize: 100,
      },
      ...more,
    }),
  };
}
