import { rm, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { putBlob } from '../../store/blob-rows.ts';
import { lackingOriginals, settleOriginals } from '../../store/originals.ts';
import { writePage } from '../../store/pages.ts';
import { message } from '../store/support.ts';
import { useMailStage } from './support/mail-stage.ts';

const MESSAGE = 'AAMk/a+b=_-c==';
const MIME = Buffer.from('Subject: Hello\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>');

describe('originals of messages, over the API', () => {
  const mail = useMailStage();
  const download = (headers: Record<string, string> = {}) =>
    mail.fetch(`/email-details/${encodeURIComponent(MESSAGE)}/mime`, headers);
  const store = (content: 'full' | 'mime') =>
    writePage(mail.stage.db, mail.reading.organization, mail.reading.page([message(MESSAGE)], { content }));
  async function settle(bytes?: Buffer): Promise<string> {
    const { organization, mailboxId, leaseToken } = mail.reading;
    const { blobs } = mail;
    const put = bytes && (await putBlob(mail.stage.db, organization, blobs, Readable.from([bytes])));
    const blob = put && { sha256: put.sha256, size: put.size };
    const original = blob
      ? ({ messageId: MESSAGE, state: 'stored', blob } as const)
      : ({ messageId: MESSAGE, state: 'quarantined', reason: 'ErrorMimeContentInvalid' } as const);
    await settleOriginals(mail.stage.db, organization, blobs, {
      mailboxId,
      leaseToken,
      originals: [original],
      scanId: 's',
    });
    return blob?.sha256 ?? '';
  }

  it('come byte by byte, as a file that no browser shows', async () => {
    await store('mime');
    const sha256 = await settle(MIME);
    const response = await download();
    expect([response.status, Buffer.from(await response.arrayBuffer()).equals(MIME)]).toEqual([200, true]);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'message/rfc822',
      'content-disposition': expect.stringMatching(/^attachment; filename="message\.eml"/) as string,
      'x-content-type-options': 'nosniff',
      'content-length': String(MIME.length),
      etag: `"${sha256}"`,
    });
    const part = await download({ Range: 'bytes=0-13' });
    expect([part.status, await part.text()]).toEqual([206, 'Subject: Hello']);
    expect((await download({ 'If-None-Match': `"${sha256}"` })).status).toBe(304);
  });

  it('that are not stored are 404, and why', async () => {
    const words = async (): Promise<[number, string]> => {
      const response = await download();
      return [response.status, await response.text()];
    };
    expect(await words()).toEqual([404, expect.stringMatching(/No message of this id/)]);
    await store('full');
    expect(await words()).toEqual([404, expect.stringMatching(/no scan or session with filters\.content/)]);
    await store('mime');
    expect(await words()).toEqual([404, expect.stringMatching(/still to be read/)]);
    await settle();
    expect(await words()).toEqual([404, expect.stringMatching(/Graph cannot give it \(ErrorMimeContentInvalid\)/)]);
  });

  it.each([
    ['altered', (file: string) => writeFile(file, 'x'.repeat(MIME.length))],
    ['lost', (file: string) => rm(file)],
  ])('that were %s in the blob store are read from Graph again', async (_, spoil) => {
    await store('mime');
    const sha256 = await settle(MIME);
    const { organization, mailboxId } = mail.reading;
    await spoil(mail.fileOf(sha256));
    const response = await download();
    expect([response.status, await response.text()]).toEqual([503, expect.stringMatching(/are read from Graph again/)]);
    await vi.waitFor(async () => {
      const later = await download();
      expect([later.status, await later.text()]).toEqual([404, expect.stringMatching(/still to be read/)]);
    });
    expect(await lackingOriginals(mail.stage.db, organization, { mailboxId, limit: 9 })).toMatchObject([
      { messageId: MESSAGE },
    ]);
    expect(await settle(MIME)).toBe(sha256);
    expect((await download()).status).toBe(200);
  });

  it('of another organization are not told of', async () => {
    await store('mime');
    await settle(MIME);
    mail.key = await mail.stage.keyOf(mail.stage.organization());
    expect((await download()).status).toBe(404);
  });
});
