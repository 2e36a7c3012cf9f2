import { describe, expect, it } from 'vitest';
import { compareWithTruth, type TrueBatch, type TrueMessage } from '../../cli/demo/comparison.ts';
import { differingColumns, type JsonObject, type StoredRow } from '../../cli/demo/expected-email.ts';

const person = (name: string | null, address: string | null): JsonObject => ({ emailAddress: { name, address } });

const message = (changes: JsonObject = {}): JsonObject & { id: string } => ({
  id: 'm1',
  changeKey: 'CQAAA',
  subject: 'Tides',
  bodyPreview: 'High water',
  importance: 'normal',
  inferenceClassification: 'focused',
  conversationId: 'c1',
  conversationIndex: 'AQ==',
  internetMessageId: '<1@harbour.example>',
  parentFolderId: 'f1',
  webLink: 'https://outlook.example/m1',
  isRead: true,
  isDraft: false,
  hasAttachments: false,
  isDeliveryReceiptRequested: null,
  isReadReceiptRequested: false,
  receivedDateTime: '2026-02-01T08:00:00Z',
  sentDateTime: '0001-01-01T00:00:00Z',
  createdDateTime: '9999-12-31T23:59:59Z',
  lastModifiedDateTime: null,
  sender: person('Zofia', 'z@tide.example'),
  from: person('Zofia', 'z@tide.example'),
  toRecipients: [person('Port', 'office@harbour.example'), person(null, 'x@y.example')],
  ccRecipients: [],
  bccRecipients: [],
  replyTo: [],
  categories: ['Red', ''],
  body: { contentType: 'html', content: '<p>High water</p>' },
  flag: { flagStatus: 'notFlagged' },
  ...changes,
});

const row = (changes: Record<string, unknown> = {}): StoredRow => ({
  id: 'm1',
  change_key: 'CQAAA',
  subject: 'Tides',
  body_preview: 'High water',
  importance: 'normal',
  inference_classification: 'focused',
  conversation_id: 'c1',
  conversation_index: 'AQ==',
  internet_message_id: '<1@harbour.example>',
  parent_folder_id: 'f1',
  web_link: 'https://outlook.example/m1',
  is_read: true,
  is_draft: false,
  has_attachments: false,
  is_delivery_receipt_requested: null,
  is_read_receipt_requested: false,
  received_date_time: '2026-02-01T08:00:00Z',
  sent_date_time: '0001-01-01T00:00:00Z',
  created_date_time: '9999-12-31T23:59:59Z',
  last_modified_date_time: null,
  sender_address: 'z@tide.example',
  sender_name: 'Zofia',
  from_address: 'z@tide.example',
  from_name: 'Zofia',
  to_recipients: [
    { address: 'office@harbour.example', name: 'Port' },
    { address: 'x@y.example', name: null },
  ],
  cc_recipients: [],
  bcc_recipients: [],
  reply_to: [],
  categories: ['Red', ''],
  body_content_type: 'html',
  body_content: '<p>High water</p>',
  flag_status: 'notFlagged',
  record: null,
  ...changes,
});

describe('a stored row', () => {
  it('that says what Graph says differs in nothing', () => expect(differingColumns(message(), row())).toEqual([]));

  it.each(Object.keys(row()).filter((column) => column !== 'record'))(
    'is found to differ when %s is something else',
    (column) => {
      const before = row()[column];
      const changed = typeof before === 'boolean' ? !before : Array.isArray(before) ? [{}] : '2026-03-03T00:00:00Z';
      expect(differingColumns(message(), row({ [column]: changed }))).toEqual([column]);
      const emptied = before === null ? [] : [column];
      expect(differingColumns(message(), row({ [column]: null }))).toEqual(emptied);
    },
  );

  it('holds U+FFFD for what PostgreSQL cannot store, and the text as received beside it', () => {
    const odd = message({ subject: 'a\u0000b\ud83dc\udc00', body: { contentType: 'text', content: 'x\u0000' } });
    const record = { subject: odd['subject'], body: odd['body'] };
    const stored = row({ subject: 'a�b�c�', body_content_type: 'text', body_content: 'x�', record });
    expect(differingColumns(odd, stored)).toEqual([]);
    expect(differingColumns(odd, { ...stored, record: null })).toEqual(['record.subject', 'record.body']);
    expect(differingColumns(odd, { ...stored, subject: 'abc' })).toEqual(['subject']);
    expect(differingColumns(odd, { ...stored, record: { ...record, subject: 'ab' } })).toEqual(['record.subject']);
  });

  it('holds the nearest moment of a time with a fraction or another zone, and the time as received beside it', () => {
    const received = '2026-02-01T10:00:00.1234567+02:00';
    const stored = row({ received_date_time: '2026-02-01T08:00:00.123Z', record: { receivedDateTime: received } });
    expect(differingColumns(message({ receivedDateTime: received }), stored)).toEqual([]);
  });

  it('holds null for a value of the wrong type or a time that is none, which must be in the record', () => {
    const wrong = { isRead: 'yes', receivedDateTime: 'never', subject: 5, categories: 'Red', from: 'me' };
    const stored = row({
      ...{
        is_read: null,
        received_date_time: null,
        subject: null,
        categories: null,
        from_address: null,
        from_name: null,
      },
      record: wrong,
    });
    expect(differingColumns(message(wrong), stored)).toEqual([]);
    expect(differingColumns(message(wrong), { ...stored, record: {} })).toEqual(
      expect.arrayContaining(Object.keys(wrong).map((member) => `record.${member}`)),
    );
  });

  it('holds the recipients that can be told, and all of them as received where one cannot', () => {
    const toRecipients = [person('A', 'a@b.example'), { emailAddress: null }, { emailAddress: {} }];
    const stored = row({
      to_recipients: [
        { address: 'a@b.example', name: 'A' },
        { address: null, name: null },
      ],
      record: { toRecipients },
    });
    expect(differingColumns(message({ toRecipients }), stored)).toEqual([]);
  });

  it('may not differ for members that are absent', () => {
    const { from: _from, sender: _sender, ...draft } = message();
    const empty = { from_address: null, from_name: null, sender_address: null, sender_name: null };
    expect(differingColumns(draft, row(empty))).toEqual([]);
    expect(differingColumns(draft, row())).toHaveLength(4);
  });

  it('may not keep in its record what Graph never said', () => {
    expect(differingColumns(message(), row({ record: { reactions: [1] } }))).toEqual(['record.reactions']);
  });

  it('takes order in objects for what it is: nothing', () => {
    const flag = { flagStatus: 'complete', completedDateTime: { timeZone: 'UTC', dateTime: 'x' } };
    const kept = { completedDateTime: { dateTime: 'x', timeZone: 'UTC' }, flagStatus: 'complete' };
    expect(differingColumns(message({ flag }), row({ flag_status: 'complete', record: { flag: kept } }))).toEqual([]);
  });
});

describe('the comparison', () => {
  const origin = { _folder: 'inbox', _user_id: 'u1', _scan_id: 's1' };
  const truthOf = (ids: readonly string[]): TrueMessage[] => ids.map((id) => ({ message: message({ id }), origin }));
  const stored = (id: string, changes: Record<string, unknown> = {}): StoredRow => row({ id, ...origin, ...changes });

  async function* batches(...all: TrueBatch[]): AsyncGenerator<TrueBatch> {
    for (const batch of all) yield await Promise.resolve(batch);
  }

  const compare = (messages: readonly TrueMessage[], rows: readonly StoredRow[]) =>
    compareWithTruth({
      truth: batches(
        { mailboxId: 'u1', messages: messages.slice(0, 2) },
        { mailboxId: 'u1', messages: messages.slice(2) },
      ),
      lookUp: (_mailbox, ids) => Promise.resolve(rows.filter(({ id }) => ids.includes(String(id)))),
    });

  it('finds nothing where every message has its row', async () => {
    const result = await compare(truthOf(['a', 'b', 'c']), [stored('a'), stored('b'), stored('c')]);
    expect(result).toMatchObject({ messages: 3, stored: 3, missing: 0, duplicated: 0, different: 0, findings: [] });
    expect(result.storedByMailbox.get('u1')).toBe(3);
  });

  it('finds planted faults, and says where they are without any mail', async () => {
    const rows = [stored('a'), stored('a'), stored('b', { subject: 'Ebb', _folder: 'sentitems' }), stored('d')];
    const result = await compare(truthOf(['a', 'b', 'c', 'd', 'e']), rows);
    expect(result).toMatchObject({ messages: 5, stored: 3, missing: 2, duplicated: 1, different: 1 });
    expect(result.findings).toEqual([
      { kind: 'duplicated', mailboxId: 'u1', id: 'a' },
      { kind: 'different', mailboxId: 'u1', id: 'b', columns: ['subject', '_folder'] },
      { kind: 'missing', mailboxId: 'u1', id: 'c' },
      { kind: 'missing', mailboxId: 'u1', id: 'e' },
    ]);
  });

  it('tells ids that differ in case only apart', async () => {
    const result = await compare(truthOf(['AbC', 'aBc']), [stored('AbC')]);
    expect(result).toMatchObject({ stored: 1, missing: 1 });
  });

  it('counts every fault and keeps the first twenty', async () => {
    const ids = Array.from({ length: 50 }, (_, at) => `m${at}`);
    const result = await compare(truthOf(ids), []);
    expect(result.missing).toBe(50);
    expect(result.findings).toHaveLength(20);
  });
});
