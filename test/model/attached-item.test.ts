import { describe, expect, it } from 'vitest';
import { asFile, possibleFiles, type KnownAttachment } from '../../model/attached-item.ts';
import { sniffType } from '../../model/sniffing.ts';

const item = (over: Partial<KnownAttachment> = {}): KnownAttachment => ({
  kind: 'item',
  name: 'Re: offer',
  contentType: null,
  sniffedType: null,
  ...over,
});

describe('An item, as a file,', () => {
  it.each([
    ['Re: offer', 'Re: offer.eml'],
    ['Re: offer.eml', 'Re: offer.eml'],
    ['Re: offer.EML', 'Re: offer.EML'],
    ['Version 1.2', 'Version 1.2.eml'],
    ['Your report.pdf', 'Your report.pdf.eml'],
    ['Well ... ', 'Well.eml'],
    ['', 'attachment.eml'],
    [null, 'attachment.eml'],
  ])('is a mail: %j is %j', (name, expected) => {
    expect(asFile(item({ name }))).toEqual({ name: expected, contentType: 'message/rfc822' });
  });

  it.each([
    ['a mail', 'From: ada@example.com\r\nSubject: offer\r\n\r\nHello', 'Ada.eml', 'message/rfc822'],
    ['a contact', 'BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nEND:VCARD\r\n', 'Ada.vcf', 'text/vcard'],
    ['an event', 'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n', 'Ada.ics', 'text/calendar'],
  ])('is %s where its bytes show that, whatever was said', async (_, text, name, contentType) => {
    const sniffedType = await sniffType(Buffer.from(text));
    for (const said of [null, 'message/rfc822', 'application/octet-stream']) {
      expect(asFile(item({ name: 'Ada', contentType: said, sniffedType }))).toEqual({ name, contentType });
    }
  });

  it('is what was said where the bytes are not there', () => {
    expect(asFile(item({ contentType: 'Message/RFC822; charset=utf-8' })).contentType).toBe('message/rfc822');
    expect(asFile(item({ contentType: 'text/x-vcard' }))).toEqual({ name: 'Re: offer.vcf', contentType: 'text/vcard' });
    expect(asFile(item({ contentType: 'text/calendar' })).name).toBe('Re: offer.ics');
  });

  it('may be a mail, a contact or an event as long as nobody has said which', () => {
    const namesOf = (contentType: string | null) => possibleFiles(item({ contentType })).map(({ name }) => name);
    expect(namesOf(null)).toEqual(['Re: offer.eml', 'Re: offer.vcf', 'Re: offer.ics']);
    expect(namesOf('message/rfc822')).toEqual(['Re: offer.eml']);
  });
});

it('A file and a link keep their name and type', () => {
  for (const kind of ['file', 'reference'] as const) {
    const given = { name: 'report', contentType: 'application/pdf' };
    expect(asFile(item({ kind, ...given, sniffedType: 'image/png' }))).toEqual(given);
    expect(possibleFiles(item({ kind, ...given }))).toEqual([given]);
    expect(asFile(item({ kind, name: null }))).toEqual({ name: null, contentType: null });
  }
});
