import { describe, expect, it } from 'vitest';
import { useMailboxes } from './stage.ts';

const DONE = { done: true, outcome: 'completed' };

describe('a mailbox with large messages', () => {
  const stage = useMailboxes({ mailboxes: 2, messagesPerMailbox: 60, folders: 1, bodyBytes: 100_000 });

  const rows = async (mailbox: string) =>
    stage.store.sql<{ id: string; content: string; recipients: unknown[]; has_attachments: boolean }>(
      `SELECT id, body_content AS content, to_recipients AS recipients, has_attachments
       FROM ${stage.organization.schema}.emails WHERE _user_id = $1 ORDER BY id`,
      [mailbox],
    );
  const truth = (mailbox: string) =>
    stage.simulator.control.truth
      .page({ mailbox, limit: 1_000 })
      .value.map(({ message }) => ({
        id: message['id'] as string,
        content: (message['body'] as { content: string }).content,
        recipients: (message['toRecipients'] as { emailAddress: unknown }[]).map(({ emailAddress }) => emailAddress),
        has_attachments: message['hasAttachments'] as boolean,
      }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));

  it('whose bodies have 100 KB is stored as Graph has it', async () => {
    const [mailbox = ''] = stage.mailboxes;
    const { scanNo } = await stage.addScan();
    expect(await stage.read(mailbox, scanNo, { pageSize: 1_000 })).toMatchObject({ ...DONE, messages: 60 });
    expect(await rows(mailbox)).toEqual(truth(mailbox));
  });

  it('of which one has 5,000 recipients and 500 attachments is stored as Graph has it', async () => {
    const [, mailbox = ''] = stage.mailboxes;
    const { control } = stage.simulator;
    const { id } = control.addMessage({ mailbox, folder: 'inbox' }, {}, [], { recipients: 5_000, attachments: 500 });
    const { scanNo } = await stage.addScan();
    expect(await stage.read(mailbox, scanNo)).toMatchObject({ ...DONE, messages: 61 });
    const found = (await rows(mailbox)).find((row) => row.id === id);
    expect(found).toEqual(truth(mailbox).find((message) => message.id === id));
    expect(found).toMatchObject({ has_attachments: true });
    expect(found?.recipients).toHaveLength(5_000);
  });
});
