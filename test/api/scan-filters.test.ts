import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listOf } from './support/stage.ts';
import { openTenantStage, type TenantStage } from './support/tenant-stage.ts';

/** What the contract promises of each table. */
const MAILBOX_COLUMNS = ['id', 'mail', 'display_name', 'user_principal_name', 'account_enabled'];
const EMAIL_COLUMNS = [
  ...['id', 'subject', 'sender_address', 'sender_name', 'from_address', 'from_name'],
  ...['to_recipients', 'cc_recipients', 'bcc_recipients', 'received_date_time', 'sent_date_time'],
  ...['body_preview', 'body_content', 'body_content_type', 'has_attachments', 'importance', 'is_read', 'is_draft'],
  ...['conversation_id', 'conversation_index', 'internet_message_id', 'categories', 'parent_folder_id', 'web_link'],
];
const EXTRACTED = [
  ...['_extracted_at', '_scan_id', '_tenant_id', '_user_email', '_user_id', '_user_display_name'],
  '_extraction_type',
];

describe('the filters of a scan, over the API', () => {
  let stage: TenantStage;
  beforeAll(async () => {
    stage = await openTenantStage({ mailboxes: 4, messagesPerMailbox: 120, folders: 14 });
  });
  afterAll(() => stage?.close());

  /** Scans with the filters; answers a function that reads a table of what the scan saw. */
  const scanned = async (name: string, filters: object) => {
    const organizationId = stage.organization(name);
    const config = { scanId: 'scan', organizationId, type: ['email'], auth: stage.auth, filters };
    expect((await stage.call('POST', '/api/v1/scan/start', { body: { config } })).status).toBe(202);
    const query = `organizationId=${organizationId}`;
    await expect
      .poll(async () => (await stage.call('GET', `/api/v1/scan/scan/status?${query}`)).body, { timeout: 40_000 })
      .toMatchObject({ status: 'completed' });
    return async (tableName: string) => {
      const answer = await stage.call('GET', `/api/v1/results/scan/data?${query}&tableName=${tableName}&limit=1000`);
      return listOf(answer.body['data']!['records']);
    };
  };
  const users = () => stage.simulator.control.truth.mailboxes().filter(({ readable }) => readable);

  it('read the included mailboxes without the excluded, of one window of time', async () => {
    const [first, second, third] = users();
    const inbox = [first, third].flatMap(({ id } = { id: '' } as never) => [
      ...stage.simulator.control.truth.messages({ mailbox: id, folder: 'inbox' }),
    ]);
    const times = inbox.map(({ message }) => message['receivedDateTime'] as string).sort();
    const [since, until] = [times[Math.floor(times.length / 4)]!, times[Math.floor(times.length / 2)]!];
    const wanted = inbox.filter(({ message }) => {
      const at = message['receivedDateTime'] as string;
      return at >= since && at < until;
    });
    expect(wanted.length).toBeGreaterThan(0);
    expect(wanted.length).toBeLessThan(inbox.length);

    const rowsOf = await scanned('window', {
      mailboxes: { include: [first!.mail, second!.userPrincipalName, third!.id], exclude: [second!.mail] },
      ...{ since, until, content: 'full' },
    });
    const emails = await rowsOf('emails');
    expect(new Set(emails.map(({ id }) => id))).toEqual(new Set(wanted.map(({ message }) => message['id'])));
    expect(new Set(emails.map((email) => email['_user_id']))).toEqual(new Set([first!.id, third!.id]));
  });

  it('find folders by a short name and by a path, in any case', async () => {
    const [{ id, mail, folders } = users()[0]!] = users();
    const deep = folders.find(({ path, isHidden, messages }) => path.includes('/') && !isHidden && messages > 0)!;
    const rowsOf = await scanned('folders', { mailboxes: { include: [mail] }, folders: ['SENT', deep.path] });
    const truth = ['sentitems', deep.id].flatMap((folder) => [
      ...stage.simulator.control.truth.messages({ mailbox: id, folder }),
    ]);
    const emails = await rowsOf('emails');
    expect(new Set(emails.map((email) => email['id']))).toEqual(new Set(truth.map(({ message }) => message['id'])));
    expect((await rowsOf('mail_folders')).map((folder) => folder['id'])).toEqual(expect.arrayContaining([deep.id]));
  });

  it('leave rows with all the columns that existing clients read', async () => {
    const rowsOf = await scanned('columns', { mailboxes: { include: [users()[0]!.id] } });
    const [mailbox] = await rowsOf('mailboxes');
    const [email] = await rowsOf('emails');
    expect(Object.keys(mailbox!)).toEqual(expect.arrayContaining([...MAILBOX_COLUMNS, ...EXTRACTED]));
    expect(Object.keys(email!)).toEqual(expect.arrayContaining([...EMAIL_COLUMNS, ...EXTRACTED, '_folder']));
  });
});
