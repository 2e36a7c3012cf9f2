import { createHash } from 'node:crypto';
import { rm, truncate, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it, vi } from 'vitest';
import { toAttachmentRow } from '../../model/attachment.ts';
import { URGENCY } from '../../model/delivery.ts';
import { withDefaults } from '../../model/destination.ts';
import type { Json } from '../../model/mail.ts';
import { saveAttachments, settleAttachments } from '../../store/attachments.ts';
import { putBlob } from '../../store/blob-rows.ts';
import { createDestination } from '../../store/destinations.ts';
import { writePage } from '../../store/pages.ts';
import { message, startReading, type Reading } from '../store/support.ts';
import { useMailStage } from './support/mail-stage.ts';
import { listOf, textOf } from './support/stage.ts';

/** Characters of Graph's ids that mean something in a path. */
const MESSAGE = 'AAMk/a+b=_-c==';
const FILE = 'att/1+=';
const BYTES = Buffer.from('0123456789');

describe('stored messages, over the API', () => {
  const mail = useMailStage();

  const ask = (path: string, headers: Record<string, string> = {}) =>
    mail.stage.call('GET', path, { key: mail.key, headers });
  const pathOf = (attachmentId: string): string =>
    `/email-details/${encodeURIComponent(MESSAGE)}/attachments/${encodeURIComponent(attachmentId)}`;
  const held = ({ mailboxId, leaseToken }: Reading) => ({ mailboxId, leaseToken, scanId: 'scan' });
  const store = (...messages: Parameters<Reading['page']>[0]) =>
    writePage(mail.stage.db, mail.reading.organization, mail.reading.page(messages));

  /** Stores a message with one attachment; without bytes it stays to be read. */
  async function storeFile(bytes: Buffer | undefined, more: Record<string, Json> = {}): Promise<string> {
    const { db } = mail.stage;
    const { organization } = mail.reading;
    await store(message(MESSAGE, { hasAttachments: true }));
    const graph = {
      '@odata.type': '#microsoft.graph.fileAttachment',
      ...{ id: FILE, name: 'Größe.pdf', contentType: 'application/pdf', size: 12, isInline: false, ...more },
    };
    const attachments = [{ row: toAttachmentRow(graph, false) }];
    await saveAttachments(db, organization, { ...held(mail.reading), lists: [{ messageId: MESSAGE, attachments }] });
    if (!bytes) return '';
    const { sha256, size } = await putBlob(db, organization, mail.blobs, Readable.from([bytes]));
    const settled = { messageId: MESSAGE, id: FILE, state: 'stored', blob: { sha256, size } } as const;
    await settleAttachments(db, organization, mail.blobs, {
      ...held(mail.reading),
      attachments: [{ ...settled, sniffedType: null }],
    });
    return sha256;
  }
  const download = async (headers: Record<string, string> = {}, method = 'GET') => {
    const response = await mail.fetch(pathOf(FILE), headers, method);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };

  it('are shown in short, the newest first, with what became of them', async () => {
    const destination = await createDestination(mail.stage.db, mail.reading.organization, {
      name: 'utility',
      kind: 'utility',
      settings: withDefaults('utility', { endpoint: 'https://utility.example' }),
      starts: 'now',
    });
    const owes = () => [{ destinationNo: destination.destinationNo, owing: 'owed', urgency: URGENCY.live } as const];
    await writePage(mail.stage.db, mail.reading.organization, mail.reading.page([message('m1')], { owes }));
    await storeFile(BYTES);
    const { status, body } = await ask('/recent-results');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      organization_id: mail.organizationId,
      count: 2,
      results: [
        {
          message_id: MESSAGE,
          mailbox: 'mailbox-1@contoso.example',
          attachments: { stored: 1, wanted: 0, left_out: 0, quarantined: 0 },
          deliveries: { waiting: 0, owed: 0, delivered: 0, dead: 0 },
        },
        {
          message_id: 'm1',
          subject: 'Subject of m1',
          from_address: 'ada@contoso.example',
          received_date_time: '2024-03-01T10:20:30Z',
          deliveries: { waiting: 0, owed: 1, delivered: 0, dead: 0 },
        },
      ],
    });
    expect((await ask('/recent-results?limit=1')).body).toMatchObject({ count: 1 });
    expect((await ask('/recent-results?limit=0')).status).toBe(400);

    expect((await ask('/email-details/m1')).body).toMatchObject({
      message_id: 'm1',
      to_recipients: [{ name: 'Bob', address: 'bob@contoso.example' }],
      body_preview: 'Hello',
      deleted_at: null,
      attachments: [],
      deliveries: [{ destination: 'utility', kind: 'utility', status: 'owed', attempts: 0, attachment_id: null }],
    });
  });

  it('are found by an id with slashes, plus and equals signs, and tell of their attachments', async () => {
    const sha256 = await storeFile(BYTES);
    const { status, body } = await ask(`/email-details/${encodeURIComponent(MESSAGE)}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      message_id: MESSAGE,
      has_attachments: true,
      attachments: [
        { attachment_id: FILE, name: 'Größe.pdf', kind: 'file', size: 12, byte_size: 10, sha256, state: 'stored' },
      ],
    });
    const content = textOf(listOf(body['attachments'])[0]?.['content']);
    expect((await ask(content)).body).toEqual({ text: BYTES.toString() });
  });

  it('are shown whole, as they are stored', async () => {
    const { db } = mail.stage;
    await writePage(
      db,
      mail.reading.organization,
      mail.reading.page([
        message(MESSAGE, { body: { contentType: 'html', content: '<b>whole</b>' }, unknownMember: [1] }),
      ]),
    );
    const { body } = await ask(`/email-json/${encodeURIComponent(MESSAGE)}`);
    expect(body).toMatchObject({
      organization_id: mail.organizationId,
      mailbox_id: 'mailbox-1',
      message: {
        id: MESSAGE,
        body_content: '<b>whole</b>',
        change_key: `ck-${MESSAGE}`,
        record: { unknownMember: [1] },
        _user_email: 'mailbox-1@contoso.example',
        _folder: 'inbox-id',
      },
      attachments: [],
    });
    expect(Object.keys(body['message'] ?? {})).not.toContain('_no');
  });

  it('are, of several mailboxes, those that came last, or those of the mailbox that is named', async () => {
    await store(message('same', { subject: 'older', receivedDateTime: '2024-01-01T00:00:00Z' }));
    const other = await startReading(mail.stage.db, { organizationId: mail.organizationId, mailboxId: 'mailbox-2' });
    const newer = message('same', { subject: 'newer', receivedDateTime: '2024-02-01T00:00:00Z' });
    await writePage(mail.stage.db, other.organization, other.page([newer]));
    const subject = async (query: string) => textOf((await ask(`/email-details/same${query}`)).body['subject']);
    expect(await subject('')).toBe('newer');
    expect(await subject('?mailbox=mailbox-1')).toBe('older');
    expect(await subject('?mailbox=MAILBOX-1@contoso.example')).toBe('older');
    expect((await ask('/email-json/same?mailbox=mailbox-3')).status).toBe(404);
  });

  it('are 404 where they are not stored, or are those of another organization', async () => {
    await storeFile(BYTES);
    const foreign = await mail.stage.keyOf(mail.stage.organization());
    const paths = [`/email-details/${encodeURIComponent(MESSAGE)}`, `/email-json/${encodeURIComponent(MESSAGE)}`];
    for (const path of [...paths, pathOf(FILE)]) {
      expect((await mail.stage.call('GET', path, { key: foreign })).status, path).toBe(404);
      expect((await mail.stage.call('GET', `${path}?organizationId=${mail.organizationId}`)).status, path).toBe(200);
      const named = await mail.stage.call('GET', `${path}?organizationId=${mail.organizationId}`, { key: foreign });
      expect(named.status, path).toBe(404);
    }
    expect((await ask('/email-details/unknown')).status).toBe(404);
    expect((await ask('/email-json/%00')).status).toBe(400);
    expect((await ask('/email-details/%E0%A4%A')).status).toBe(400);
    expect((await ask(`/email-details/${'x'.repeat(3000)}`)).status).toBe(400);
    expect((await mail.stage.call('GET', '/recent-results', { key: foreign })).body).toMatchObject({ results: [] });
  });

  it('have attachments that are sent as files, under a type that no browser runs', async () => {
    const sha256 = await storeFile(BYTES, { contentType: 'text/html', name: '../<script>.html' });
    const { status, headers, text } = await download();
    expect([status, text]).toEqual([200, BYTES.toString()]);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '10',
      'content-disposition': `attachment; filename="__script_.html"; filename*=UTF-8''__script_.html`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'accept-ranges': 'bytes',
      'cache-control': 'no-store',
      etag: `"${sha256}"`,
    });
  });

  it('have attachments of which parts can be asked for', async () => {
    const sha256 = await storeFile(BYTES);
    const part = await download({ Range: 'bytes=2-5' });
    expect([part.status, part.text]).toEqual([206, '2345']);
    expect(part.headers.get('content-range')).toBe('bytes 2-5/10');
    expect(part.headers.get('content-length')).toBe('4');
    expect((await download({ Range: 'bytes=-3' })).text).toBe('789');
    expect((await download({ Range: 'bytes=0-1', 'If-Range': `"${sha256}"` })).text).toBe('01');
    expect(await download({ Range: 'bytes=0-1', 'If-Range': '"another"' })).toMatchObject({ status: 200 });
    expect(await download({ Range: 'bytes=0-1,4-5' })).toMatchObject({ status: 200, text: BYTES.toString() });
    const outside = await ask(pathOf(FILE), { Range: 'bytes=10-' });
    expect(outside).toMatchObject({ status: 416, body: { success: false } });
    expect(outside.headers.get('content-range')).toBe('bytes */10');
  });

  it('have attachments that are not sent to whoever knows them', async () => {
    const sha256 = await storeFile(BYTES);
    const known = await download({ 'If-None-Match': `W/"${sha256}"` });
    expect([known.status, known.text, known.headers.get('etag')]).toEqual([304, '', `"${sha256}"`]);
    expect((await download({ 'If-None-Match': '"another"' })).status).toBe(200);
    const head = await download({}, 'HEAD');
    expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', '10']);
  });

  it('have attachments of no bytes', async () => {
    await storeFile(Buffer.alloc(0));
    expect(await download()).toMatchObject({ status: 200, text: '' });
    expect((await download({ Range: 'bytes=0-' })).status).toBe(416);
  });

  it('say why the content of an attachment is not there', async () => {
    await storeFile(undefined);
    expect(await ask(pathOf(FILE))).toMatchObject({
      status: 404,
      body: { message: 'The content of this attachment is not stored: it is still to be read' },
    });
    expect((await ask(pathOf('unknown'))).status).toBe(404);
    const quarantined = { messageId: MESSAGE, id: FILE, state: 'quarantined', reason: 'ErrorItemCorrupt' } as const;
    await settleAttachments(mail.stage.db, mail.reading.organization, mail.blobs, {
      ...held(mail.reading),
      attachments: [quarantined],
    });
    expect((await ask(pathOf(FILE))).body).toMatchObject({
      message: 'The content of this attachment is not stored: Graph cannot give it (ErrorItemCorrupt)',
    });
  });

  it.each([
    ['altered', (file: string) => writeFile(file, 'x123456789')],
    ['cut', (file: string) => truncate(file, 3)],
    ['lost', (file: string) => rm(file)],
  ])('say so where the bytes of an attachment were %s, and have them read again', async (_, spoil) => {
    const sha256 = await storeFile(BYTES);
    await spoil(mail.fileOf(sha256));
    const answer = await ask(pathOf(FILE));
    const words =
      /^The stored bytes are missing from the blob store, or were altered there: they are read from Graph again/;
    expect(answer).toMatchObject({ status: 503, body: { message: expect.stringMatching(words) as string } });
    expect(answer.headers.get('content-disposition')).toBeNull();
    await vi.waitFor(async () => {
      const message = 'The content of this attachment is not stored: it is still to be read';
      expect(await ask(pathOf(FILE))).toMatchObject({ status: 404, body: { message } });
    });
  });

  it('cut the connection where bytes turn out altered when many of them were sent', async () => {
    const bytes = Buffer.alloc(3 << 20, 'abc');
    const sha256 = await storeFile(bytes);
    const whole = await mail.fetch(pathOf(FILE));
    const got = await buffer(whole.body!);
    expect(createHash('sha256').update(got).digest('hex')).toBe(sha256);

    await writeFile(mail.fileOf(sha256), Buffer.alloc(3 << 20, 'abd'));
    await expect(download()).rejects.toThrow();
    expect(mail.stage.lines.join('')).toContain('An answer was cut');
    expect((await ask('/recent-results')).status).toBe(200);
  });

  it('go on when a client leaves in the middle of an attachment', async () => {
    await storeFile(Buffer.alloc(8 << 20, 'abc'));
    const before = mail.stage.lines.length;
    const { hostname, port } = new URL(mail.stage.api.url);
    const socket = connect(Number(port), hostname);
    const lines = [`GET ${pathOf(FILE)} HTTP/1.1`, `Host: ${hostname}`, `Authorization: Bearer ${mail.key}`, '', ''];
    socket.write(lines.join('\r\n'));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    expect((await ask('/recent-results')).status).toBe(200);
    expect(mail.stage.lines.slice(before).join('')).not.toContain('"level":"error"');
  });
});
