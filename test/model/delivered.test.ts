import { describe, expect, it } from 'vitest';
import { addressKind, literalAddress } from '../../model/addresses.ts';
import { authorOf } from '../../model/delivered-message.ts';
import { safeFileName, safeName, taggedFileName } from '../../model/file-names.ts';
import { toSeconds, toZonelessMicroseconds } from '../../model/payload-times.ts';
import { toUtilityPayload } from '../../model/utility-payload.ts';
import { message } from '../destinations/support/items.ts';

describe('the times of payloads', () => {
  it.each([
    ['2025-12-23T09:45:12Z', '2025-12-23T09:45:12Z', '2025-12-23T09:45:12.000000'],
    ['2025-12-23T09:45:12.1234567Z', '2025-12-23T09:45:12Z', '2025-12-23T09:45:12.123000'],
    ['2025-12-23T10:45:12+01:00', '2025-12-23T09:45:12Z', '2025-12-23T09:45:12.000000'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000000'],
    [null, '', ''],
    ['yesterday', '', ''],
  ])('%s has the forms %s and %s', (instant, seconds, micros) => {
    expect([toSeconds(instant), toZonelessMicroseconds(instant)]).toEqual([seconds, micros]);
  });
});

describe('a payload', () => {
  it('has every field also for a message without anything', () => {
    const { email } = message();
    const nothing = Object.fromEntries(Object.keys(email).map((column) => [column, null])) as unknown as typeof email;
    const bare = { ...message({ ...nothing, id: 'id' }), direction: 'sent' as const };
    const payload = toUtilityPayload(bare, []);
    expect(Object.keys(payload).sort()).toEqual(Object.keys(toUtilityPayload(message(), [])).sort());
    for (const value of Object.values(payload)) expect(value ?? undefined).toBeDefined();
    expect(payload).toMatchObject({ subject: '', bcc_recipients: [], has_attachments: false, sent_datetime: '' });
  });

  it('is from the sender where no other author is named', () => {
    expect(authorOf(message({ from_address: null, from_name: null }))).toEqual({
      address: 'robot@example.com',
      name: 'Robot',
    });
    expect(authorOf(message({ from_address: null }))).toEqual({ address: '', name: 'Vendor Name' });
  });
});

describe('an address', () => {
  it.each([
    ['8.8.8.8', 'public'],
    ['2606:4700::1111', 'public'],
    ['::ffff:8.8.8.8', 'public'],
    ['10.1.2.3', 'private'],
    ['127.0.0.1', 'private'],
    ['::1', 'private'],
    ['::ffff:192.168.0.1', 'private'],
    ['fd12::1', 'private'],
    ['100.64.0.1', 'private'],
    ['169.254.169.254', 'forbidden'],
    ['::ffff:a9fe:a9fe', 'forbidden'],
    ['::ffff:169.254.169.254', 'forbidden'],
    ['64:ff9b::a9fe:a9fe', 'forbidden'],
    ['::a9fe:a9fe', 'forbidden'],
    ['fe80::1%eth0', 'forbidden'],
    ['fd00:ec2::254', 'forbidden'],
    ['100.100.100.200', 'forbidden'],
    ['168.63.129.16', 'forbidden'],
    ['0.0.0.0', 'forbidden'],
    ['::', 'forbidden'],
    ['224.0.0.1', 'forbidden'],
    ['255.255.255.255', 'forbidden'],
    ['not an address', 'forbidden'],
  ])('%s is %s', (address, kind) => {
    expect(addressKind(address)).toBe(kind);
  });

  it('is seen in every spelling that a URL allows', () => {
    const hosts = ['http://2852039166', 'http://0xa9.254.0251.254', 'http://[::1]', 'http://example.com'];
    expect(hosts.map((url) => literalAddress(new URL(url).hostname))).toEqual([
      '169.254.169.254',
      '169.254.169.254',
      '::1',
      undefined,
    ]);
  });
});

describe('a name of a file', () => {
  it.each([
    ['report.pdf', 'report-tag.pdf'],
    ['Rechnung März.PDF', 'Rechnung März-tag.PDF'],
    ['archive.tar.gz', 'archive.tar-tag.gz'],
    ['no extension', 'no extension-tag'],
    ['../../etc/passwd', '_.._etc_passwd-tag'],
    ['a\u0000b\u001b[2J.txt', 'a_b_[2J-tag.txt'],
    ['invoice\u202efdp.exe', 'invoice_fdp-tag.exe'],
    ['AUX.txt', '_AUX-tag.txt'],
    ['com1', '_com1-tag'],
    ['a:b*c?"<>|.txt', 'a_b_c_____-tag.txt'],
    ['-rf', '_rf-tag'],
    ['trailing. . ', 'trailing-tag'],
    ['.hidden', 'hidden-tag'],
    ['\ud800.txt', 'attachment-tag.txt'],
    ['', 'attachment-tag'],
    ['...', 'attachment-tag'],
  ])('%j becomes %j', (name, safe) => {
    expect(taggedFileName(name, 'tag', 'attachment')).toBe(safe);
  });

  it.each([
    ['x'.repeat(10_000) + '.pdf'],
    ['ü'.repeat(10_000) + '.pdf'],
    ['🎉'.repeat(5000)],
    [`a.${'b'.repeat(10_000)}`],
  ])('is cut to what every system takes, whole characters and the extension kept', (name) => {
    const safe = taggedFileName(name, '0123456789ab', 'attachment');
    expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(120);
    expect(safe).toMatch(/-0123456789ab(\.pdf)?$/);
    expect(Buffer.from(safe).toString()).toBe(safe);
    if (name.endsWith('.pdf')) {
      expect(safe).toMatch(/\.pdf$/);
      expect(safeFileName(name, 'attachment')).toMatch(/^.{20,119}(?<!-0123456789ab)\.pdf$/u);
    }
  });

  it('of a folder is one name, too', () => {
    expect(safeName('../../root', 'mailbox')).toBe('_.._root');
    expect(safeName('NUL', 'mailbox')).toBe('_NUL');
    expect(safeName('..', 'mailbox')).toBe('mailbox');
  });
});
