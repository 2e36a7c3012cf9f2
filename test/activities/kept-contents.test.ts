import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import type { Content } from '../../model/content.ts';
import { originalOf } from '../../store/originals.ts';
import { contentsOfScan } from '../../store/scan-contents.ts';
import { DONE, attachedMailOn, file } from './attached-mail.ts';
import { liveOn } from './live-stage.ts';
import { useMailboxes } from './stage.ts';

const NONE = {
  ...{ attachments: 0, attachmentsLeftOut: 0, attachmentsQuarantined: 0 },
  ...{ originals: 0, originalsQuarantined: 0 },
};

describe('what scans and sessions keep beside messages', () => {
  const stage = useMailboxes(
    { mailboxes: 14, messagesPerMailbox: 30, folders: 1, attachments: { share: 0 } },
    { maxRetries: 0 },
  );
  const live = liveOn(stage);
  const { arrive, truth, ...mail } = attachedMailOn(stage);
  afterEach(() => stage.simulator.control.clearFaults());

  const scan = async (mailbox: string, content: Content, mode: 'full' | 'incremental' = 'full', how = {}) => {
    const { scanNo } = await stage.addScan({ content }, mode);
    expect(await stage.read(mailbox, scanNo, how)).toMatchObject(DONE);
    return scanNo;
  };
  const stored = async (mailboxId: string, messageId: string) =>
    (await mail.stored(mailboxId, messageId)).map(({ name, state, byteSize }) => ({ name, state, byteSize }));
  const counted = (scanNo: number) => contentsOfScan(stage.store.db, stage.organization, scanNo);
  const original = async (mailboxId: string, messageId: string): Promise<Buffer | undefined> => {
    const found = await originalOf(stage.store.db, stage.organization, { mailboxId, messageId });
    return found?.blob ? buffer(await stage.blobs.of(stage.organization).open(found.blob)) : undefined;
  };
  /** The message as Graph gives it now. */
  const mimeOf = async (mailbox: string, id: string): Promise<Buffer> => {
    const { tenantId, clientId, clientSecret, url } = stage.simulator;
    const token = await fetch(`${url}/${tenantId}/oauth2/v2.0/token`, {
      method: 'POST',
      body: new URLSearchParams({
        ...{ grant_type: 'client_credentials', scope: 'https://graph.microsoft.com/.default' },
        ...{ client_id: clientId, client_secret: clientSecret },
      }),
    });
    const { access_token: bearer } = (await token.json()) as { access_token: string };
    const answer = await fetch(`${url}/v1.0/users/${mailbox}/messages/${encodeURIComponent(id)}/$value`, {
      headers: { authorization: `Bearer ${bearer}`, prefer: 'IdType="ImmutableId"' },
    });
    expect(answer.status).toBe(200);
    return Buffer.from(await answer.arrayBuffer());
  };

  it('are no contents by themselves', async () => {
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a.pdf')]);
    const scanNo = await scan(mailbox, 'full');
    expect(await stored(mailbox, id)).toEqual([]);
    expect(await counted(scanNo)).toEqual(NONE);
  });

  it('are all attachments of what a scan sees, and links are left out', async () => {
    const mailbox = stage.ownMailbox();
    const ids = Array.from({ length: 5 }, (_, no) => arrive(mailbox, [file(`${no}.pdf`, 100 + no), file('b.png', 50)]));
    const linked = arrive(mailbox, [{ kind: 'reference', name: 'elsewhere', size: 10 }]);
    const scanNo = await scan(mailbox, 'attachments');
    for (const [no, id] of ids.entries()) {
      expect(await stored(mailbox, id)).toEqual([
        { name: `${no}.pdf`, state: 'stored', byteSize: 100 + no },
        { name: 'b.png', state: 'stored', byteSize: 50 },
      ]);
    }
    expect(await stored(mailbox, linked)).toMatchObject([{ state: 'left_out' }]);
    expect(await counted(scanNo)).toEqual({ ...NONE, attachments: 10, attachmentsLeftOut: 1 });
  });

  it('are attachments of messages that were read before without', async () => {
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a.pdf')]);
    await scan(mailbox, 'full');
    const scanNo = await scan(mailbox, 'attachments', 'incremental');
    expect(await stored(mailbox, id)).toMatchObject([{ state: 'stored' }]);
    expect(await counted(scanNo)).toMatchObject({ attachments: 1 });
  });

  it('are originals, byte by byte, and attachments as well', async () => {
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a.pdf', 5_000)]);
    const scanNo = await scan(mailbox, 'mime');
    const expected = await mimeOf(mailbox, id);
    expect(await original(mailbox, id)).toEqual(expected);
    const found = await originalOf(stage.store.db, stage.organization, { mailboxId: mailbox, messageId: id });
    expect(found?.blob).toEqual({
      sha256: createHash('sha256').update(expected).digest('hex'),
      size: expected.length,
    });
    expect(await counted(scanNo)).toEqual({ ...NONE, attachments: 1, originals: 31 });
    await scan(mailbox, 'mime');
    expect(
      await originalOf(stage.store.db, stage.organization, { mailboxId: mailbox, messageId: id }),
      'what is stored is not read again',
    ).toEqual(found);
  });

  it('is the original of a draft again when it has changed', async () => {
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [], { isDraft: true, body: { contentType: 'text', content: 'First' } });
    await scan(mailbox, 'mime');
    const first = await mimeOf(mailbox, id);
    expect(await original(mailbox, id)).toEqual(first);
    stage.simulator.control.changeMessage({ mailbox, id }, { body: { contentType: 'text', content: 'Second' } });
    await scan(mailbox, 'mime', 'incremental');
    expect(await original(mailbox, id)).toEqual(await mimeOf(mailbox, id));
    expect(await original(mailbox, id)).not.toEqual(first);
  });

  it('names what Graph cannot give, stores the rest, and tries it again with the next scan', async () => {
    const mailbox = stage.ownMailbox();
    const [bad, good] = [arrive(mailbox, [file('a.pdf')]), arrive(mailbox, [file('b.pdf')])];
    const effect = { type: 'poison', where: 'alone', members: ['$value'] } as const;
    stage.simulator.control.addFault({ mailbox, message: bad, effect });
    const { scanNo } = await stage.addScan({ content: 'mime' });
    expect(await stage.read(mailbox, scanNo, { attempt: 3 })).toMatchObject(DONE);
    expect(await original(mailbox, bad)).toBeUndefined();
    expect(await original(mailbox, good)).toEqual(await mimeOf(mailbox, good));
    expect(await counted(scanNo)).toMatchObject({ attachments: 2, originals: 31, originalsQuarantined: 1 });
    const again = await stage.addScan({ content: 'mime' });
    await stage.read(mailbox, again.scanNo, { attempt: 3 });
    expect(await counted(again.scanNo), 'it is tried again, in vain').toMatchObject({ originalsQuarantined: 1 });
    stage.simulator.control.clearFaults();
    const healed = await scan(mailbox, 'mime');
    expect(await counted(healed)).toMatchObject({ attachments: 2, originals: 32, originalsQuarantined: 0 });
    expect(await original(mailbox, bad)).toEqual(await mimeOf(mailbox, bad));
  });

  it('tries attachments again with the next scan that Graph could not give', async () => {
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a.pdf'), file('b.pdf')]);
    const [attachment] = await truth(mailbox, id);
    stage.simulator.control.addFault({
      ...{ mailbox, message: id, attachment: attachment?.id ?? '' },
      effect: { type: 'poison' },
    });
    const { scanNo } = await stage.addScan({ content: 'attachments' });
    expect(await stage.read(mailbox, scanNo, { attempt: 3 })).toMatchObject(DONE);
    expect(await counted(scanNo)).toMatchObject({ attachments: 1, attachmentsQuarantined: 1 });
    stage.simulator.control.clearFaults();
    expect(await counted(await scan(mailbox, 'attachments'))).toMatchObject({
      ...{ attachments: 2, attachmentsQuarantined: 0 },
    });
  });

  it('lacks nothing of a message that is gone when its contents are asked for', async () => {
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a.pdf')]);
    await scan(mailbox, 'full');
    const { scanNo } = await stage.addScan({ content: 'mime' });
    await stage.store.sql(
      `INSERT INTO outhaul.scan_messages (scan_no, email_no)
       SELECT $1, _no FROM ${stage.organization.schema}.emails WHERE id = $2`,
      [scanNo, id],
    );
    stage.simulator.control.removeMessage({ mailbox, id });
    expect(await stage.read(mailbox, scanNo)).toMatchObject(DONE);
    expect(await counted(scanNo)).toMatchObject({ attachmentsQuarantined: 0, originalsQuarantined: 0, originals: 30 });
  });

  it('goes on in the next slice where the time is up', async () => {
    const mailbox = stage.ownMailbox();
    const { scanNo } = await stage.addScan({ content: 'mime' });
    let slices = 1;
    while (!(await stage.read(mailbox, scanNo, { sliceMs: 30 })).done) slices++;
    expect(slices).toBeGreaterThan(1);
    expect(await counted(scanNo)).toMatchObject({ originals: 30 });
  });

  it('of a session are contents of what it sees, named or told by a delta', async () => {
    const mailbox = stage.ownMailbox();
    await live.start(mailbox, { filters: { content: 'mime' } });
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    const named = arrive(mailbox, [file('a.pdf')]);
    await live.hint(mailbox, named);
    await live.read(mailbox);
    const told = arrive(mailbox, [file('b.pdf')]);
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    for (const id of [named, told]) {
      expect(await stored(mailbox, id)).toMatchObject([{ state: 'stored' }]);
      expect(await original(mailbox, id)).toEqual(await mimeOf(mailbox, id));
    }
  });
});
