import { randomUUID } from 'node:crypto';
import type { GraphMessage } from '../../../model/mail.ts';
import type { Database } from '../../../store/database.ts';
import { saveFolders } from '../../../store/folders.ts';
import { acquireLease } from '../../../store/leases.ts';
import { ensureOrganization } from '../../../store/organizations.ts';
import { writePage } from '../../../store/pages.ts';
import { startFolders } from '../../../store/scan-folders.ts';
import { recordUsers } from '../../../store/scan-mailboxes.ts';
import { addScan } from '../../../store/scans.ts';
import { openRounds, roundOf } from '../../../store/sync-state.ts';

export interface SeededScan {
  readonly organizationId: string;
  readonly scanId: string;
  readonly scanNo: number;
  readonly mailboxIds: readonly string[];
  readonly messageIds: readonly string[];
  /** Of the mailbox that is being read. */
  readonly leaseToken: string;
}

/** A running scan of some mailboxes, the first of which has one page of messages read of a folder of 10. */
export async function seedScan(
  db: Database,
  {
    organizationId,
    scanId,
    mailboxes,
    messages,
  }: Record<'organizationId' | 'scanId', string> & Record<'mailboxes' | 'messages', number>,
): Promise<SeededScan> {
  const organization = await ensureOrganization(db, organizationId);
  const filters = { folders: ['inbox'] };
  const { scanNo } = await addScan(db, { organizationId, scanId, mode: 'full', status: 'running', filters });
  const users = Array.from({ length: mailboxes }, (_, index) => ({ user: userOf(`user-${index}`) }));
  await recordUsers(db, organization, { scanNo, tenantId: 'contoso.example', users });
  const mailboxIds = users.map(({ user }) => user.id);
  const [mailboxId = ''] = mailboxIds;
  const token = randomUUID();
  await acquireLease(db, organization, { mailboxId, token, seconds: 60 });
  const folder = { id: `inbox-${mailboxId}`, path: 'inbox' };
  const held = { mailboxId, leaseToken: token };
  await saveFolders(db, organization, { ...held, scanId, folders: [{ ...FOLDER, ...folder }] });
  await startFolders(db, organization, { ...held, scanNos: [scanNo], folders: [{ ...folder, graphCount: 10 }] });
  const rounds = await openRounds(db, organization, {
    ...held,
    folders: [folder],
    scanNos: [scanNo],
    mode: 'full',
    method: 'delta',
  });
  const page = Array.from({ length: messages }, (_, index) => messageOf(index, folder.id));
  await writePage(db, organization, {
    ...held,
    folder,
    scanNos: [scanNo],
    scanId,
    messages: page,
    removed: [],
    suspicious: false,
    progress: { round: roundOf(rounds, folder).round, next: { link: 'https://graph.example/next' }, pageSize: 100 },
  });
  return { organizationId, scanId, scanNo, mailboxIds, messageIds: page.map(({ id }) => id), leaseToken: token };
}

const userOf = (name: string) => ({
  id: randomUUID(),
  displayName: name,
  mail: `${name}@contoso.example`,
  userPrincipalName: `${name}@contoso.example`,
  userType: 'Member',
  accountEnabled: true,
});

const FOLDER = {
  displayName: 'Inbox',
  parentFolderId: 'root',
  childFolderCount: 0,
  totalItemCount: 10,
  isHidden: false,
  isVirtual: false,
  wellKnownName: 'inbox',
};

const messageOf = (index: number, parentFolderId: string): GraphMessage => ({
  id: `message-${String(index).padStart(6, '0')}-${randomUUID()}`,
  changeKey: `change-${index}`,
  subject: `Subject ${index}`,
  receivedDateTime: '2026-11-01T10:00:00Z',
  hasAttachments: false,
  isRead: index % 2 === 0,
  parentFolderId,
  from: { emailAddress: { address: 'sender@fabrikam.example', name: 'Sender' } },
  toRecipients: [{ emailAddress: { address: 'user-0@contoso.example', name: 'user-0' } }],
  ccRecipients: [],
  bccRecipients: [],
  body: { contentType: 'text', content: `Body ${index}` },
});
