import { describe, expect, it } from 'vitest';
import { isPartial, mergeEmail, toEmailRow } from '../../model/email.ts';
import { MESSAGE_MEMBERS, type GraphMessage, type Json } from '../../model/mail.ts';

const address = (name: string): Json => ({ emailAddress: { name, address: `${name}@contoso.example` } });

const whole = (more: object = {}): GraphMessage => ({
  '@odata.etag': 'W/"CQ=="',
  id: 'AAMk',
  createdDateTime: '2024-03-01T10:20:30Z',
  lastModifiedDateTime: '2024-03-01T10:20:31Z',
  changeKey: 'CQ==',
  categories: [],
  receivedDateTime: '2024-03-01T10:20:30Z',
  sentDateTime: '2024-03-01T10:20:29Z',
  hasAttachments: true,
  internetMessageId: '<1@contoso.example>',
  subject: 'Hello',
  bodyPreview: 'Hi',
  importance: 'high',
  parentFolderId: 'inbox',
  conversationId: 'c',
  conversationIndex: 'AQ==',
  isDeliveryReceiptRequested: false,
  isReadReceiptRequested: null,
  isRead: false,
  isDraft: false,
  webLink: 'https://outlook.example/1',
  inferenceClassification: 'other',
  body: { contentType: 'text', content: 'Hi there' },
  sender: address('ada'),
  from: address('bob'),
  toRecipients: [address('cy'), address('di')],
  ccRecipients: [],
  bccRecipients: [],
  replyTo: [],
  flag: { flagStatus: 'flagged' },
  ...more,
});

const row = (more: object = {}, suspicious = false): ReturnType<typeof toEmailRow> =>
  toEmailRow(whole(more), suspicious);

describe('toEmailRow', () => {
  it('leaves nothing over of a message as Graph documents it', () => {
    const { record, ...columns } = row();
    expect(record).toBeNull();
    expect(columns).toMatchObject({
      id: 'AAMk',
      from_address: 'bob@contoso.example',
      sender_name: 'ada',
      to_recipients: [
        { name: 'cy', address: 'cy@contoso.example' },
        { name: 'di', address: 'di@contoso.example' },
      ],
      body_content: 'Hi there',
      body_content_type: 'text',
      flag_status: 'flagged',
      change_key: 'CQ==',
      is_read_receipt_requested: null,
    });
  });

  it('has a column for every member that Outhaul asks for', () => {
    const before = JSON.stringify(row());
    for (const member of MESSAGE_MEMBERS) {
      const { [member]: _, ...without } = whole();
      const after = toEmailRow(without as GraphMessage, false);
      if (member !== 'isReadReceiptRequested' && member !== 'changeKey') expect(JSON.stringify(after)).not.toBe(before);
    }
  });

  it('takes null and absent for the same', () => {
    const { subject: _, from: __, body: ___, flag: ____, toRecipients: _____, ...absent } = whole();
    const nulls = whole({ subject: null, from: null, body: null, flag: null, toRecipients: null });
    expect(toEmailRow(absent, false)).toEqual(toEmailRow(nulls, false));
  });

  it.each([
    ['a member that nobody knows', { size: 7 }, { size: 7 }],
    [
      'a derived type',
      { '@odata.type': '#microsoft.graph.eventMessage' },
      { '@odata.type': '#microsoft.graph.eventMessage' },
    ],
    ['a tag that is not the change key', { '@odata.etag': 'W/"other"' }, { '@odata.etag': 'W/"other"' }],
    ['more in the flag', { flag: { flagStatus: 'complete', completedDateTime: {} } }, undefined],
    ['more in the body', { body: { contentType: 'text', content: 'x', charset: 'utf-8' } }, undefined],
    ['more in an address', { from: { emailAddress: { name: 'n', address: 'a', type: 'x' } } }, undefined],
    ['more around an address', { toRecipients: [{ emailAddress: { name: 'n', address: 'a' }, x: 1 }] }, undefined],
    ['a recipient without an address', { ccRecipients: [{}, address('x')] }, undefined],
    ['a list that is none', { bccRecipients: 'none' }, undefined],
    ['a number for a text', { subject: 42 }, undefined],
    ['a text for a flag', { isRead: 'yes' }, undefined],
    ['a category that is no text', { categories: ['a', 1] }, undefined],
    ['a time with a fraction', { sentDateTime: '2024-01-01T00:00:00.1234567Z' }, undefined],
    ['a time that never was', { sentDateTime: '2023-02-29T00:00:00Z' }, undefined],
  ])('keeps %s as received', (_, more, record) => {
    expect(row(more).record).toEqual(record ?? more);
  });

  it('holds the nearest thing that a column can hold', () => {
    expect(row({ categories: ['a', 1] }).categories).toEqual(['a']);
    expect(row({ ccRecipients: [{}, address('x'), null] }).cc_recipients).toHaveLength(1);
    expect(row({ from: { emailAddress: { address: 'only' } } }).from_address).toBe('only');
    expect(row({ from: { emailAddress: { address: 'only' } } }).record).toBeNull();
    expect(row({ sentDateTime: '2024-01-01T02:00:00+02:00' }).sent_date_time).toBe('2024-01-01T00:00:00.000Z');
    expect(row({ flag: { flagStatus: 'flagged', dueDateTime: {} } }).flag_status).toBe('flagged');
  });

  it('knows the change key from the tag where the member is missing', () => {
    const { changeKey: _, ...untold } = whole();
    const told = toEmailRow(untold, false);
    expect(told).toMatchObject({ change_key: 'CQ==', record: null });
  });

  it('looks through strings only where the page is suspicious', () => {
    const subject = 'a\u0000b\ud800c🙂';
    expect(row({ subject }, true)).toMatchObject({ subject: 'a\ufffdb\ufffdc🙂', record: { subject } });
    expect(row({ subject: 'fine 🙂' }, true).record).toBeNull();
    expect(row({ subject }).subject).toBe(subject);
  });

  it('leaves out what a response says about itself', () => {
    expect(row({ '@odata.context': 'https://graph/$metadata' }).record).toBeNull();
  });

  it('is not misled by members with names of JavaScript’s own', () => {
    const odd = JSON.parse('{"id":"x","__proto__":{"subject":"no"},"constructor":2,"toString":3}') as GraphMessage;
    const { record, subject } = toEmailRow(odd, false);
    expect(subject).toBeNull();
    expect(JSON.stringify(record)).toBe('{"__proto__":{"subject":"no"},"constructor":2,"toString":3}');
  });
});

describe('isPartial', () => {
  it('is true of a record that lacks what was asked for, sender and author apart', () => {
    expect(isPartial(whole())).toBe(false);
    const { from: _, sender: __, ...draft } = whole();
    expect(isPartial(draft)).toBe(false);
    expect(isPartial(whole({ subject: null }))).toBe(false);
    const { subject: ___, ...rest } = whole();
    expect(isPartial(rest)).toBe(true);
    expect(isPartial({ id: 'x', isRead: true, parentFolderId: 'f' })).toBe(true);
  });
});

describe('mergeEmail', () => {
  it('puts in what the record says and leaves the rest', () => {
    const stored = row({ size: 1, kept: true });
    const partial = { id: 'AAMk', '@odata.etag': 'W/"newer"', isRead: true, size: 2, from: address('eve') };
    expect(mergeEmail(stored, partial, false)).toEqual({
      ...stored,
      is_read: true,
      change_key: 'newer',
      from_name: 'eve',
      from_address: 'eve@contoso.example',
      record: { kept: true, size: 2 },
    });
  });

  it('forgets what was kept of a member that fits its column now', () => {
    const stored = row({ subject: 42 });
    expect(mergeEmail(stored, { id: 'AAMk', subject: 'fits' }, false)).toMatchObject({ subject: 'fits', record: null });
    const odd = mergeEmail(row(), { id: 'AAMk', subject: 42 }, false);
    expect(odd).toMatchObject({ subject: null, record: { subject: 42 } });
  });

  it('takes a null for news and an absent member for none', () => {
    const merged = mergeEmail(row(), { id: 'AAMk', subject: null }, false);
    expect(merged).toMatchObject({ subject: null, body_content: 'Hi there', to_recipients: row().to_recipients });
  });
});
