import { describe, expect, it } from 'vitest';
import { leastBytes, parseMaxAttachmentSize, sizeVerdict } from '../../model/attachment-size.ts';
import { isOfGroups, parseEmailGroups } from '../../model/email-groups.ts';
import { fileTypeVerdict, isOfFileTypes, parseFileTypes } from '../../model/file-types.ts';
import { InvalidFilter } from '../../model/filter-list.ts';
import { sniffType } from '../../model/sniffing.ts';

const PDF = Buffer.from('%PDF-1.7\n%âãÏÓ\n1 0 obj\n<< >>\nendobj\n');
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const OLE = Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(504)]);

describe('EMAIL_GROUPS', () => {
  it.each([
    ['company.com,partner.org', ['company.com', 'partner.org']],
    ['company.com,partner.org          # Domains/groups to monitor', ['company.com', 'partner.org']],
    ['"company.com"', ['company.com']],
    [' \'Company.COM\' ; "@partner.org", Ada@Company.com,', ['company.com', 'partner.org', 'ada@company.com']],
    ['company.com,COMPANY.com', ['company.com']],
    ['', []],
    ['# nobody', []],
  ])('is read from %j', (text, groups) => {
    expect(parseEmailGroups(text)).toEqual(groups);
  });

  it.each(['company', 'sales team', 'a@b@c.com', 'a b@c.com', '.com'])('refuses %j, and says why', (text) => {
    expect(() => parseEmailGroups(`fine.com,${text}`)).toThrow(InvalidFilter);
    expect(() => parseEmailGroups(text)).toThrow(/neither a domain \(company.com\) nor an address/);
  });

  it('lets through whom a domain or an address names, in any case', () => {
    const groups = parseEmailGroups('company.com,ada@partner.org');
    for (const address of ['Bob@Company.com', 'ADA@partner.org'])
      expect(isOfGroups(groups, [null, address])).toBe(true);
    for (const address of [
      'bob@partner.org',
      'x@mail.company.com',
      'x@mycompany.com',
      '@company.com',
      '/o=Exchange/cn=ada',
      '',
      null,
    ]) {
      expect(isOfGroups(groups, [address])).toBe(false);
    }
    expect(isOfGroups([], [null])).toBe(true);
  });
});

describe('FILE_TYPES', () => {
  it.each([
    ['.pdf,.docx,.xlsx,.csv               # File types to process', ['.pdf', '.docx', '.xlsx', '.csv']],
    ['".pdf,.docx"', ['.pdf', '.docx']],
    ['pdf, *.PDF; .Tar.GZ', ['.pdf', '.tar.gz']],
    ['application/pdf,image/*', ['application/pdf', 'image/*']],
    ['.pdf,*', []],
    ['', []],
  ])('is read from %j', (text, types) => {
    expect(parseFileTypes(text)).toEqual(types);
  });

  it.each(['a/b/c', 'p df', '../etc', '*pdf'])('refuses %j, and says why', (text) => {
    expect(() => parseFileTypes(text)).toThrow(/neither an extension \(\.pdf\) nor a MIME type/);
  });

  it.each([
    ['.pdf', 'Invoice.PDF', 'application/pdf', 'wanted'],
    ['.pdf', 'invoice.pdf ', 'application/octet-stream', 'wanted'],
    ['.pdf', 'invoice.pdf', null, 'wanted'],
    ['.pdf', 'scan0001', 'application/pdf; name="scan0001"', 'wanted'],
    ['.pdf', 'scan.0001', 'application/x-pdf', 'wanted'],
    ['.pdf', 'invoice.docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'unwanted'],
    ['.pdf', 'invoice.exe', 'application/octet-stream', 'unwanted'],
    ['.pdf', 'invoice.pdf.exe', 'application/x-msdownload', 'unwanted'],
    ['.pdf', 'invoice.docx', 'application/pdf', 'look'],
    ['.pdf', 'invoice.pdf', 'image/png', 'look'],
    ['.pdf', 'scan0001', 'application/octet-stream', 'look'],
    ['.pdf', null, null, 'look'],
    ['.csv', 'report.csv', 'application/vnd.ms-excel', 'look'],
    ['.csv', 'report.csv', 'text/comma-separated-values', 'wanted'],
    ['.jpg', 'photo.jpg', 'image/jpg', 'wanted'],
    ['image/*', 'photo.jpeg', 'image/jpeg', 'wanted'],
    ['image/*', 'photo.jpeg', 'application/octet-stream', 'wanted'],
    ['image/*', 'notes.txt', 'text/plain', 'unwanted'],
    ['.tar.gz', 'backup.tar.gz', 'application/octet-stream', 'wanted'],
    ['.vcf', 'ada.vcf', 'text/vcard', 'wanted'],
    ['text/vcard', 'ada.vcf', 'text/x-vcard', 'wanted'],
    ['.custom', 'a.custom', 'application/octet-stream', 'wanted'],
    ['', 'anything', null, 'wanted'],
  ])('%s on %j of type %j: %s', (types, name, contentType, verdict) => {
    expect(fileTypeVerdict(parseFileTypes(types), { name, contentType })).toBe(verdict);
  });

  it.each([
    ['.pdf', 'invoice.docx', 'application/pdf', PDF, true],
    ['.pdf', 'invoice.pdf', 'image/png', PNG, false],
    ['.png', 'invoice.pdf', 'image/png', PNG, true],
    ['.jpg', 'photo.jpeg', 'image/jpeg', Buffer.from('ffd8ffe000104a464946', 'hex'), true],
    ['.pdf', 'scan0001', 'application/octet-stream', PDF, true],
    ['.pdf', null, null, Buffer.from('plain text'), false],
    ['.csv', 'report.csv', 'application/vnd.ms-excel', Buffer.from('a;b\n1;2\n'), true],
    ['.xls', 'report.csv', 'application/vnd.ms-excel', Buffer.from('a;b\n1;2\n'), false],
    ['.xls', 'report.xls', 'text/plain', OLE, true],
    ['.doc', 'report.xls', 'application/msword', OLE, false],
    ['.pdf', 'invoice.docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', PDF, false],
  ])('%s on %j of type %j is decided by the bytes where these disagree', async (types, name, contentType, head, is) => {
    expect(isOfFileTypes(parseFileTypes(types), { name, contentType }, await sniffType(head))).toBe(is);
  });

  it('is not misled, or kept busy, by bytes that break off or lie', async () => {
    for (const head of ['', '504b0304', '504b030414000800', '1f8b08', 'ffd8', '3026b2758e66cf11a6d900aa0062ce6c']) {
      const bytes = Buffer.from(head + 'ff'.repeat(head.length * 8), 'hex');
      expect(typeof (await sniffType(bytes)) === 'string' || (await sniffType(bytes)) === null).toBe(true);
    }
    expect(await sniffType(Buffer.from(''))).toBeNull();
  });
});

describe('MAX_ATTACHMENT_SIZE', () => {
  it.each([
    ['52428800                   # Max file size (50MB)', 52_428_800],
    ['"1"', 1],
    ['', undefined],
  ])('is read from %j', (text, size) => {
    expect(parseMaxAttachmentSize(text)).toBe(size);
  });

  it.each(['50MB', '0', '-1', '1.5', '1,000', '1e6'])('refuses %j, and says how to say it', (text) => {
    expect(() => parseMaxAttachmentSize(text)).toThrow(/must be a number of bytes, as in 52428800 for 50 MB/);
  });

  it('goes by the bytes, and before they are there by what Graph says, which is somewhat more', () => {
    const max = 1_000_000;
    expect(sizeVerdict({ size: 1_300_000, byteSize: 1_000_000 }, max)).toBe('wanted');
    expect(sizeVerdict({ size: 10, byteSize: 1_000_001 }, max)).toBe('unwanted');
    expect(sizeVerdict({ size: 1_000_000, byteSize: null }, max)).toBe('wanted');
    expect(sizeVerdict({ size: 1_000_001, byteSize: null }, max)).toBe('look');
    expect(sizeVerdict({ size: null, byteSize: null }, max)).toBe('look');
    expect(sizeVerdict({ size: 2_000_000, byteSize: null }, max)).toBe('unwanted');
    expect(sizeVerdict({ size: null, byteSize: null }, undefined)).toBe('wanted');
  });
});

describe('The fewest bytes that an attachment can have', () => {
  it('are those that Graph’s size allows for, were it their size in Base64 with all that Graph counts besides', () => {
    const sizeOf = (bytes: number): number => Math.ceil((bytes / 57) * 78) + 4_000;
    for (const bytes of [1, 1_000, 100_000, 4_000_000, 150_000_000]) {
      const least = leastBytes({ kind: 'file', size: sizeOf(bytes) });
      expect(least, String(bytes)).toBeLessThanOrEqual(bytes);
    }
    expect(leastBytes({ kind: 'file', size: 4_000_168 })).toBeGreaterThan(2_000_000);
    expect(leastBytes({ kind: 'file', size: 200_000_000 })).toBeGreaterThan(100_000_000);
  });

  it('are what a filter by size takes to be possible', () => {
    const size = 10_000_000;
    const least = leastBytes({ kind: 'file', size });
    expect(sizeVerdict({ size, byteSize: null }, least)).toBe('look');
    expect(sizeVerdict({ size, byteSize: null }, least - 1)).toBe('unwanted');
  });

  it('are none of a file that may be empty, and one of any other', () => {
    expect(leastBytes({ kind: 'file', size: 168 })).toBe(0);
    expect(leastBytes({ kind: 'file', size: 8_192 })).toBe(0);
    expect(leastBytes({ kind: 'file', size: 8_193 })).toBe(1);
    expect(leastBytes({ kind: 'file', size: 65_536 })).toBe(1);
    expect(leastBytes({ kind: 'file', size: null })).toBe(0);
  });

  it('are one of an item, whose size says nothing of its text, and none of a link', () => {
    expect(leastBytes({ kind: 'item', size: 20_000_000 })).toBe(1);
    expect(leastBytes({ kind: 'item', size: null })).toBe(1);
    expect(leastBytes({ kind: 'reference', size: 20_000_000 })).toBe(0);
  });
});
