import { describe, expect, it } from 'vitest';
import { attachmentHeaders, contentDisposition, contentTypeOf } from '../../api/attachment-headers.ts';
import type { KnownAttachment } from '../../model/attached-item.ts';

const attachment = (over: Partial<KnownAttachment>): KnownAttachment => ({
  kind: 'file',
  name: 'report.pdf',
  contentType: 'application/pdf',
  sniffedType: null,
  ...over,
});
const typeOf = (contentType: string | null, sniffedType: string | null = null): string =>
  contentTypeOf(attachment({ contentType, sniffedType }));

describe('the type that an attachment is sent under', () => {
  it('is the one that it has, without parameters', () => {
    expect(typeOf('application/pdf')).toBe('application/pdf');
    expect(typeOf('Text/Plain; charset="utf-8"')).toBe('text/plain');
  });

  it('is what the bytes show where nothing was said', () => {
    for (const said of [null, '', 'application/octet-stream', 'no type', 'a/b\r\nSet-Cookie: x']) {
      expect(typeOf(said, 'image/png'), String(said)).toBe('image/png');
      expect(typeOf(said), String(said)).toBe('application/octet-stream');
    }
    expect(contentTypeOf(attachment({ kind: 'item', contentType: null }))).toBe('message/rfc822');
  });

  it('is never one that a browser would run', () => {
    const active = [
      ...['text/html', 'TEXT/HTML; charset=utf-8', 'application/xhtml+xml', 'image/svg+xml', 'text/xml'],
      ...['application/xml', 'text/javascript', 'application/ecmascript', 'multipart/related', 'text/css'],
      ...['application/x-shockwave-flash', 'application/hta', 'application/rss+xml', 'text/x-server-parsed-html'],
    ];
    for (const type of active) {
      expect(typeOf(type), type).toBe('application/octet-stream');
      expect(typeOf(null, type), type).toBe('application/octet-stream');
    }
  });
});

describe('the name that an attachment is sent under', () => {
  const nameIn = (name: string | null): string => attachmentHeaders(attachment({ name }))['Content-Disposition'] ?? '';

  it('is told in ASCII and as it is', () => {
    expect(contentDisposition('Größe "5%" (neu).pdf')).toBe(
      `attachment; filename="Gr__e _5__ (neu).pdf"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%225%25%22%20%28neu%29.pdf`,
    );
  });

  it('leads nowhere, breaks nothing and is short', () => {
    expect(nameIn('../../etc/passwd')).not.toMatch(/\//);
    expect(nameIn('a"\r\nSet-Cookie: x=1')).toMatch(/^attachment; filename="[^"\r\n]*"; filename\*=UTF-8''[^"\r\n]*$/);
    expect(nameIn('\ud800half.pdf')).toContain('half.pdf');
    expect(nameIn('x'.repeat(10_000)).length).toBeLessThan(500);
    expect(nameIn(null)).toBe(`attachment; filename="attachment"; filename*=UTF-8''attachment`);
    expect(nameIn('\u202efdp.exe')).not.toContain('%E2%80%AE');
  });

  it('says that a mail in a mail is one', () => {
    const headers = attachmentHeaders(attachment({ kind: 'item', name: 'Re: offer', contentType: null }));
    expect(headers['Content-Disposition']).toContain('filename="Re_ offer.eml"');
    const long = attachmentHeaders(attachment({ kind: 'item', name: 'x'.repeat(10_000), contentType: null }));
    expect(long['Content-Disposition']).toMatch(/xx\.eml"/);
  });

  it('says that a contact in a mail is one', () => {
    const contact = { kind: 'item', name: 'Ada', contentType: null, sniffedType: 'text/vcard' } as const;
    expect(attachmentHeaders(contact)).toMatchObject({
      'Content-Type': 'text/vcard',
      'Content-Disposition': expect.stringContaining('filename="Ada.vcf"') as string,
    });
  });
});
