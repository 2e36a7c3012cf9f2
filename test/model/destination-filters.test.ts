import { describe, expect, it } from 'vitest';
import {
  directionOf,
  matchesAttachment,
  matchesMessage,
  mayHaveAttachments,
  needsBytes,
  owedOf,
  owingOf,
  withContent,
  type AwaitedAttachment,
  type DestinationFilters,
  type FilteredAttachment,
  type FilteredMessage,
} from '../../model/destination-filters.ts';
import { withDefaults, type KindSettings } from '../../model/destination.ts';

const message = (
  email: Partial<FilteredMessage['email']> = {},
  more: Partial<Omit<FilteredMessage, 'email'>> = {},
): FilteredMessage => ({
  email: {
    subject: 'Invoice ID_12345 - Payment Required',
    sender_address: 'billing@vendor.example',
    from_address: 'Vendor@Vendor.example',
    to_recipients: [{ address: 'it.ops@contoso.example', name: 'IT' }],
    cc_recipients: [{ address: 'finance@fabrikam.example', name: null }],
    bcc_recipients: null,
    has_attachments: false,
    is_draft: false,
    ...email,
  },
  mayHaveAttachments: false,
  mailbox: { id: 'mailbox-1', address: 'it.ops@contoso.example' },
  folderPath: 'inbox',
  ...more,
});

const attachment = (name: string | null, contentType: string | null = null, size = 10): FilteredAttachment => ({
  id: `id of ${name}`,
  name,
  contentType,
  size,
  byteSize: size,
  sniffedType: null,
  kind: 'file',
});
const attachedItem = (over: Partial<FilteredAttachment> = {}): FilteredAttachment => ({
  ...attachment('Re: offer'),
  kind: 'item',
  ...over,
});
const awaited = (...given: Parameters<typeof attachment>): AwaitedAttachment => ({
  ...attachment(...given),
  unreadable: false,
});
const utility = (filters: DestinationFilters): KindSettings => ({
  kind: 'utility',
  settings: withDefaults('utility', { endpoint: 'https://utility.example', filters }),
});
const redisList = (filters: DestinationFilters): KindSettings => ({
  kind: 'redis_list',
  settings: withDefaults('redis_list', { url: 'redis://localhost', filters }),
});

describe('filters on messages', () => {
  it.each<[string, DestinationFilters, boolean]>([
    ['no filter', {}, true],
    ['an address, in any case', { sender: ['VENDOR@vendor.EXAMPLE'] }, true],
    ['the sender beside the one who signs', { sender: ['billing@vendor.example'] }, true],
    ['a domain', { sender: ['other.example', ' vendor.example '] }, true],
    ['a domain with @', { sender: ['@vendor.example'] }, true],
    ['a part of a domain', { sender: ['dor.example'] }, false],
    ['the domain above', { sender: ['example'] }, false],
    ['another address', { sender: ['someone@vendor.example'] }, false],
    ['a recipient in copy', { recipient: ['fabrikam.example'] }, true],
    ['a recipient who is none', { recipient: ['bob@contoso.example'] }, false],
    ['a mailbox by address', { mailbox: ['IT.ops@contoso.example'] }, true],
    ['a mailbox by domain', { mailbox: ['contoso.example'] }, true],
    ['a mailbox by id', { mailbox: ['mailbox-1'] }, true],
    ['another mailbox', { mailbox: ['mailbox-2'] }, false],
    ['a text in the subject', { subject: ['quote', 'INVOICE'] }, true],
    ['a text that is not there', { subject: ['quote'] }, false],
    ['the direction', { direction: 'received' }, true],
    ['the other direction', { direction: 'sent' }, false],
    ['attachments', { hasAttachments: true }, false],
    ['no attachments', { hasAttachments: false }, true],
    ['all of several', { sender: ['vendor.example'], subject: ['invoice'] }, true],
    ['not all of several', { sender: ['vendor.example'], subject: ['quote'] }, false],
    ['an empty list, which names nobody', { sender: [] }, false],
  ])('%s', (_, filters, expected) => {
    expect(matchesMessage(filters, message())).toBe(expected);
  });

  it('leave out what has no sender, recipients or subject, where they ask for these', () => {
    const bare = message({ sender_address: null, from_address: null, to_recipients: null, cc_recipients: null });
    for (const filters of [{ sender: [''] }, { sender: ['x.example'] }, { recipient: [''] }]) {
      expect(matchesMessage(filters, bare)).toBe(false);
    }
    expect(matchesMessage({ subject: ['x'] }, message({ subject: null }))).toBe(false);
    expect(matchesMessage({}, bare)).toBe(true);
  });

  it.each<[string, string, boolean]>([
    ['Inbox', 'inbox', true],
    ['sent', 'sentitems', true],
    ['Sent Items', 'sentitems', true],
    ['inbox', 'inbox/Projects', false],
    ['Inbox/projects', 'inbox/Projects', true],
    ['sent/Projects', 'sentitems/Projects', true],
    ['Projects', 'inbox/Projects', true],
    ['all', 'deleteditems', true],
    ['Project', 'inbox/Projects', false],
  ])('folder %s and a message in %s', (name, folderPath, expected) => {
    expect(matchesMessage({ folder: [name] }, message({}, { folderPath }))).toBe(expected);
  });
});

describe('the direction of a message', () => {
  const own = { from_address: 'IT.Ops@contoso.example', sender_address: null };
  it.each([
    ['sentitems', {}, 'sent'],
    ['sentitems/2024', {}, 'sent'],
    ['inbox', own, 'received'],
    ['Projects', own, 'sent'],
    ['Projects', {}, 'received'],
  ])('in %s', (folderPath, email, expected) => {
    expect(directionOf(message(email, { folderPath }))).toBe(expected);
  });
});

describe('filters on attachments', () => {
  it.each<[string, FilteredAttachment, boolean]>([
    ['.pdf', attachment('INVOICE.PDF'), true],
    ['pdf', attachment('invoice.pdf'), true],
    ['*.pdf', attachment('invoice.pdf'), true],
    ['pdf', attachment('invoicepdf'), false],
    ['application/pdf', attachment('x', 'Application/PDF; name=x'), true],
    ['image/*', attachment('x', 'image/png'), true],
    ['image/*', attachment('x', 'application/pdf'), false],
    ['.pdf', attachment(null), false],
  ])('type %s', (type, given, expected) => {
    expect(matchesAttachment({ attachmentType: [type] }, given)).toBe(expected);
  });

  it('size: that of the bytes, once they are there', () => {
    const most = { maxAttachmentBytes: 10 };
    expect(matchesAttachment(most, attachment('a', null, 10))).toBe(true);
    expect(matchesAttachment(most, attachment('a', null, 11))).toBe(false);
    expect(matchesAttachment(most, { ...attachment('a', null, 178), byteSize: 10 })).toBe(true);
    expect(matchesAttachment(most, { ...attachment('a', null, 178), byteSize: null })).toBe(true);
    expect(matchesAttachment(most, { ...attachment('a', null, 1_000_000), byteSize: null })).toBe(false);
  });

  it('type: the bytes decide where name and MIME type contradict each other', () => {
    const odd = attachment('invoice.pdf', 'image/png');
    expect(matchesAttachment({ attachmentType: ['pdf'] }, { ...odd, sniffedType: 'application/pdf' })).toBe(true);
    expect(matchesAttachment({ attachmentType: ['pdf'] }, { ...odd, sniffedType: 'image/png' })).toBe(false);
    expect(matchesAttachment({ attachmentType: [] }, odd)).toBe(false);
  });

  it.each<[string, Partial<FilteredAttachment>, boolean]>([
    ['.eml', {}, true],
    ['message/rfc822', {}, true],
    ['message/*', { contentType: 'message/rfc822' }, true],
    ['eml', { contentType: 'application/octet-stream' }, true],
    ['.pdf', { name: 'Re: offer.pdf' }, false],
    ['.vcf', {}, false],
    ['.vcf', { sniffedType: 'text/vcard' }, true],
    ['text/vcard', { sniffedType: 'text/vcard' }, true],
    ['.ics', { sniffedType: 'text/calendar', contentType: 'message/rfc822' }, true],
    ['.eml', { sniffedType: 'text/calendar' }, false],
  ])('type %s and an item %j', (type, over, expected) => {
    expect(matchesAttachment({ attachmentType: [type] }, attachedItem(over))).toBe(expected);
  });

  it('choose the attachments of which a utility gets the content: none where it has no such filter', () => {
    const both = [attachment('a.pdf'), attachment('b.png')];
    expect(withContent({}, both)).toEqual([]);
    expect(withContent({ hasAttachments: false }, both)).toEqual([]);
    expect(withContent({ hasAttachments: true }, both)).toEqual(both);
    expect(withContent({ attachmentType: ['pdf'] }, both)).toEqual([both[0]]);
  });
});

describe('the bytes of an attachment', () => {
  const pdf = attachment('a.pdf', 'application/pdf');
  const odd = attachment('a.pdf', 'image/png');
  const unread = attachedItem({ byteSize: null });
  const mail = attachedItem({ byteSize: null, contentType: 'message/rfc822' });
  const batch = (filters: DestinationFilters): KindSettings => ({
    kind: 'batch',
    settings: withDefaults('batch', { endpoint: 'https://batch.example', filters }),
  });
  it.each<[string, KindSettings, FilteredAttachment, boolean]>([
    ['go onto a list', redisList({}), pdf, true],
    ['that nobody filters for stay', redisList({ attachmentType: ['png'] }), pdf, false],
    ['that are too many stay', redisList({ maxAttachmentBytes: 5 }), { ...pdf, byteSize: null, size: 1e6 }, false],
    ['have to tell their size', redisList({ maxAttachmentBytes: 5 }), { ...pdf, byteSize: null, size: 173 }, true],
    ['have to tell their type', redisList({ attachmentType: ['png'] }), odd, true],
    ['go to a utility that asks for attachments', utility({ hasAttachments: true }), pdf, true],
    ['go to a utility that asks for their type', utility({ attachmentType: ['pdf'] }), pdf, true],
    ['stay where a utility does not ask', utility({ maxAttachmentBytes: 1e9 }), pdf, false],
    ['stay where a batch knows them without', batch({ attachmentType: ['pdf'] }), pdf, false],
    ['tell a batch their type', batch({ attachmentType: ['pdf'] }), odd, true],
    ['of an item are those of a mail', redisList({ attachmentType: ['.eml'] }), unread, true],
    ['of an item are no PDF', redisList({ attachmentType: ['.pdf'] }), unread, false],
    ['of a mail are no contact', redisList({ attachmentType: ['.vcf'] }), mail, false],
    ['of an item tell whether it is a contact', redisList({ attachmentType: ['.vcf'] }), unread, true],
    ['of an item tell a batch whether it is a mail', batch({ attachmentType: ['.eml'] }), unread, true],
    ['of a mail stay where a batch knows it without', batch({ attachmentType: ['.eml'] }), mail, false],
    ['are none of a link', redisList({}), { ...pdf, kind: 'reference' }, false],
  ])('%s', (_, destination, given, expected) => {
    expect(needsBytes(destination, given)).toBe(expected);
  });
});

describe('what is owed of a message', () => {
  const plain = message();
  const attached = message({ has_attachments: true }, { mayHaveAttachments: true });

  it('waits for attachments where there may be some', () => {
    expect(owingOf(utility({}), plain)).toBe('owed');
    expect(owingOf(utility({}), attached)).toBe('waiting');
    expect(owingOf(redisList({}), attached)).toBe('waiting');
  });

  it('is nothing of a draft, and waits for nothing', () => {
    expect(owingOf(utility({}), message({ is_draft: true }))).toBe('nothing');
    expect(owingOf(redisList({}), message({ is_draft: true }, { mayHaveAttachments: true }))).toBe('nothing');
    expect(owingOf(utility({}), message({ is_draft: null }))).toBe('owed');
  });

  it('is nothing where no attachment can be wanted', () => {
    expect(owingOf(redisList({}), plain)).toBe('nothing');
    expect(owingOf(utility({ attachmentType: ['pdf'] }), plain)).toBe('nothing');
    expect(owingOf(utility({ sender: ['other.example'] }), attached)).toBe('nothing');
  });

  it('is itself or its attachments, once these are known', () => {
    const known = [awaited('a.pdf'), awaited('b.png')];
    expect(owedOf(utility({}), [])).toBe('message');
    expect(owedOf(utility({ attachmentType: ['pdf'] }), known)).toBe('message');
    expect(owedOf(utility({ attachmentType: ['zip'] }), known)).toEqual([]);
    expect(owedOf(redisList({ attachmentType: ['pdf'] }), known)).toEqual(['id of a.pdf']);
    expect(owedOf(redisList({}), known)).toHaveLength(2);
  });

  it('is what cannot be read, where only the bytes could tell whether it is wanted', () => {
    const pdf = { attachmentType: ['pdf'] };
    const odd = { ...awaited('scan', 'application/octet-stream'), byteSize: null };
    const unread = { ...odd, unreadable: true };
    expect(owedOf(redisList(pdf), [odd])).toEqual([]);
    expect(owedOf(redisList(pdf), [unread, awaited('b.png')])).toEqual([unread.id]);
    expect(owedOf(redisList({ ...pdf, maxAttachmentBytes: 5 }), [{ ...unread, size: 1e6 }])).toEqual([]);
    expect(owedOf(utility(pdf), [odd])).toEqual([]);
    expect(owedOf(utility(pdf), [unread])).toBe('unknown');
    expect(owedOf(utility(pdf), [unread, awaited('a.pdf')])).toBe('message');
    expect(owedOf(utility({}), [unread])).toBe('message');
  });

  it('is a mail in it, too, and an item of which nobody can tell what it is', () => {
    const contacts = { attachmentType: ['.vcf'] };
    const item = { ...attachedItem({ byteSize: null }), unreadable: true };
    const mail = { ...attachedItem(), unreadable: false };
    expect(owedOf(redisList({ attachmentType: ['.eml', 'message/rfc822'] }), [mail])).toEqual([mail.id]);
    expect(owedOf(utility({ attachmentType: ['.eml'] }), [mail])).toBe('message');
    expect(owedOf(redisList(contacts), [mail])).toEqual([]);
    expect(owedOf(redisList(contacts), [item])).toEqual([item.id]);
    expect(owedOf(utility(contacts), [item])).toBe('unknown');
  });

  it('has attachments to look up where Graph says so, or the body shows one', () => {
    expect(mayHaveAttachments({ has_attachments: true, body_content: null })).toBe(true);
    expect(mayHaveAttachments({ has_attachments: null, body_content: null })).toBe(true);
    expect(mayHaveAttachments({ has_attachments: false, body_content: '<img src="cid:logo">' })).toBe(true);
    expect(mayHaveAttachments({ has_attachments: false, body_content: '<p>Hello</p>' })).toBe(false);
  });
});
