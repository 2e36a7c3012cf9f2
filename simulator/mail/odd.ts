import type { Json, JsonObject } from './bytes.ts';
import { recipient } from './people.ts';
import type { AttachmentRecord, MessageRecord } from './record.ts';

const LONE_HIGH_SURROGATE = '\ud83d';
const LONE_LOW_SURROGATE = '\udc00';
const MANY = 5_000;

/**
 * Messages that a mailbox may really hold and that a careless reader or PostgreSQL would refuse, one of each kind, the
 * common kinds first and the biggest last. Every one is legal by the service description, except where a member says so.
 */
export function oddRecords(domain: string): MessageRecord[] {
  const owner = recipient({ name: 'Port Office', address: `office@${domain}` });
  return ODDITIES.map((oddity, index) => {
    const { attachments = [], without = [], ...change } = oddity;
    const properties: JsonObject = { ...ordinary(index, owner, domain), ...change.members };
    for (const member of without) delete properties[member];
    return { properties, attachments };
  });
}

interface Oddity {
  members: JsonObject;
  without?: readonly string[];
  attachments?: readonly AttachmentRecord[];
}

function ordinary(index: number, owner: JsonObject, domain: string): JsonObject {
  const arrived = `2026-0${1 + (index % 9)}-1${index % 9}T0${index % 10}:30:0${index % 7}Z`;
  const author = recipient({ name: 'Zofia Weber', address: 'zofia.weber@tide.example' });
  return {
    createdDateTime: arrived,
    lastModifiedDateTime: arrived,
    categories: [],
    receivedDateTime: arrived,
    sentDateTime: arrived,
    hasAttachments: false,
    internetMessageId: `<odd.${index}@${domain}>`,
    subject: `Odd one ${index}`,
    bodyPreview: 'Nothing special in here.',
    importance: 'normal',
    isDeliveryReceiptRequested: false,
    isReadReceiptRequested: false,
    isRead: index % 2 === 0,
    isDraft: false,
    inferenceClassification: 'focused',
    body: { contentType: 'text', content: 'Nothing special in here.' },
    sender: author,
    from: author,
    toRecipients: [owner],
    ccRecipients: [],
    bccRecipients: [],
    replyTo: [],
    flag: { flagStatus: 'notFlagged' },
  };
}

function text(content: string): JsonObject {
  return { body: { contentType: 'text', content }, bodyPreview: content.slice(0, 255) };
}

const NULLS = Object.fromEntries(
  ['createdDateTime', 'lastModifiedDateTime', 'receivedDateTime', 'sentDateTime', 'hasAttachments', 'internetMessageId',
   'subject', 'bodyPreview', 'importance', 'conversationId', 'conversationIndex', 'isDeliveryReceiptRequested',
   'isReadReceiptRequested', 'isRead', 'isDraft', 'webLink', 'inferenceClassification', 'body', 'sender', 'from',
   'flag'].map((member): [string, Json] => [member, null]),
); // prettier-ignore

const meeting = {
  startDateTime: { dateTime: '2026-12-01T09:00:00.0000000', timeZone: 'W. Europe Standard Time' },
  endDateTime: { dateTime: '2026-12-01T10:00:00.0000000', timeZone: 'W. Europe Standard Time' },
  location: { displayName: 'Pier 4', locationType: 'default', uniqueIdType: 'unknown' },
  isOutOfDate: false,
  isAllDay: false,
  isDelegated: false,
  type: 'singleInstance',
};

const attached: JsonObject = {
  '@odata.type': '#microsoft.graph.message',
  id: '',
  createdDateTime: '2026-02-01T08:00:00Z',
  receivedDateTime: '2026-02-01T08:00:00Z',
  sentDateTime: '2026-02-01T07:59:58Z',
  subject: 'The forwarded one',
  internetMessageId: '<forwarded@tide.example>',
  body: { contentType: 'text', content: 'Original text.' },
  toRecipients: [],
  ccRecipients: [],
};

const attachments: AttachmentRecord[] = [
  { kind: 'file', name: 'naïve résumé 📄.pdf', contentType: 'application/pdf', isInline: false, contentId: null, content: Buffer.from('%PDF-1.4\n% a small one\n') },
  { kind: 'file', name: '../../etc/passwd', contentType: null, isInline: true, contentId: 'logo@tide', content: new Uint8Array(0) },
  { kind: 'item', name: 'The forwarded one', contentType: 'message/rfc822', isInline: false, item: attached, mime: Buffer.from('Subject: The forwarded one\r\nMessage-ID: <forwarded@tide.example>\r\n\r\nOriginal text.\r\n') },
  { kind: 'reference', name: 'Shared sheet.xlsx', contentType: null, isInline: false, size: 1060 },
]; // prettier-ignore

const ODDITIES: readonly Oddity[] = [
  { members: { subject: 'NUL\u0000 in the subject', ...text('A NUL \u0000 here, a bell \u0007 there.') } },
  { members: { subject: `Half a smile ${LONE_HIGH_SURROGATE}`, ...text(`${LONE_LOW_SURROGATE} and ${LONE_HIGH_SURROGATE}x`) } },
  { members: { receivedDateTime: '0001-01-01T00:00:00Z', sentDateTime: '0001-01-01T00:00:00Z' } },
  { members: { receivedDateTime: '9999-12-31T23:59:59Z', sentDateTime: '9999-12-31T23:59:59Z' } },
  { members: { isDraft: true, subject: '', toRecipients: [] }, without: ['from', 'sender', 'internetMessageId'] },
  { members: NULLS },
  { members: { '@odata.type': '#microsoft.graph.eventMessageRequest', meetingMessageType: 'meetingRequest', meetingRequestType: 'newMeetingRequest', responseRequested: true, ...meeting, recurrence: null, isDeliveryReceiptRequested: null } },
  { members: { '@odata.type': '#microsoft.graph.eventMessageResponse', meetingMessageType: 'meetingAccepted', ...meeting } },
  { members: { '@odata.type': '#microsoft.graph.calendarSharingMessage', canAccept: true, suggestedCalendarName: 'Tides' } },
  { members: { '@odata.type': '#microsoft.graph.messageOfTomorrow', reactions: [{ emoji: '⚓', by: ['Zofia'] }], '@vendor.hint': 7 } },
  { members: { from: { emailAddress: { name: 'Bernd Fischer', address: '/O=HARBOUR/OU=EXCHANGE ADMINISTRATIVE GROUP (FYDIBOHF23SPDLT)/CN=RECIPIENTS/CN=BFISCHER' } } } },
  { members: { from: { emailAddress: { name: null, address: null } }, sender: { emailAddress: {} }, toRecipients: [{ emailAddress: null }] } },
  { members: { subject: 'مرحبا \u202Eabc\u202C עברית', ...text('שלום \u200F\u2067עולם\u2069 مرحبا') } },
  { members: { subject: '👩‍👩‍👧‍👦🏳️‍🌈 Z͑ͫ̓a̴l҉g͝o', ...text('𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \uFFFF \uFFFE \uFEFF \u2028 \u2029') } },
  { members: { subject: 'S'.repeat(4_000) } },
  { members: { internetMessageId: null } },
  { members: { body: { contentType: 'text', content: '' }, bodyPreview: '' } },
  { members: { body: { contentType: 'html', content: '' }, bodyPreview: '', subject: null } },
  { members: { categories: ['Red category', '', 'with "quotes", commas and {braces}', '\\backslash\\'] } },
  { members: { subject: "Robert'); DROP TABLE emails;--", ...text("'; SELECT pg_sleep(10); --") } },
  { members: { hasAttachments: true }, attachments },
  { members: { from: { emailAddress: { name: '', address: '' } }, toRecipients: [] } },
  { members: { from: { emailAddress: { name: 'No\r\nBreak', address: 'a'.repeat(300) + '@tide.example' } } } },
  { members: { sentDateTime: '1969-12-31T23:59:59Z', createdDateTime: '2038-01-19T03:14:08Z' } },
  { members: { importance: null, inferenceClassification: null, flag: { flagStatus: 'complete', completedDateTime: null } } },
  { members: { internetMessageId: `<${'m'.repeat(980)}@tide.example>` } },
  { members: { body: { contentType: 'html', content: `<html><body>${'<div>'.repeat(2_000)}deep${'</div>'.repeat(2_000)}</body></html>` } } },
  { members: { toRecipients: Array.from({ length: MANY }, (_, at) => recipient({ name: `Reader ${at}`, address: `reader${at}@list.example` })) } },
  { members: text('Long. '.repeat(50_000)) },
]; // prettier-ignore
