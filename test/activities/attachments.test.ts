import { createHash } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { URGENCY } from '../../model/delivery.ts';
import { withDefaults, type KindSettings } from '../../model/destination.ts';
import { readAttachments } from '../../simulator/control/read-attachment.ts';
import { GeneratedContent } from '../../simulator/index.ts';
import { BlobsUnavailable } from '../../store/blobs/errors.ts';
import type { BlobStore, BlobStores } from '../../store/blobs/blob-store.ts';
import { replayBegins, replayWindow } from '../../store/feeding.ts';
import { listDeadLetters, retryDeadLetters } from '../../store/dead-letters.ts';
import { createDestination, type Destination } from '../../store/destinations.ts';
import { attachmentLost } from '../../store/lost-attachments.ts';
import { unique } from '../store/support.ts';
import { DONE, attachedMailOn, file } from './attached-mail.ts';
import { liveOn } from './live-stage.ts';
import { useMailboxes } from './stage.ts';

const REDIS = (filters: object = {}): KindSettings => ({
  kind: 'redis_list',
  settings: withDefaults('redis_list', { url: 'redis://redis.example', filters }),
});
const UTILITY = (filters: object = {}): KindSettings => ({
  kind: 'utility',
  settings: withDefaults('utility', { endpoint: 'https://utility.example', filters }),
});

interface Delivery {
  readonly no: number;
  readonly status: string;
  readonly attachment: string;
  readonly cause: string | null;
}

describe('attachments', () => {
  const stage = useMailboxes(
    { mailboxes: 40, messagesPerMailbox: 3, folders: 1, attachments: { share: 0 } },
    { maxRetries: 0 },
  );
  const live = liveOn(stage);
  const { arrive, stored, truth } = attachedMailOn(stage);
  afterEach(async () => {
    stage.simulator.control.clearFaults();
    stage.simulator.control.clearHolds();
    await stage.store.sql('DELETE FROM outhaul.deliveries');
    await stage.store.sql('DELETE FROM outhaul.destinations');
  });

  const destination = (settings: KindSettings): Promise<Destination> =>
    createDestination(stage.store.db, stage.organization, { ...settings, name: unique('to'), starts: 'now' });
  const scan = async (mailbox: string, how: Parameters<typeof stage.read>[2] = {}) =>
    stage.read(mailbox, (await stage.addScan()).scanNo, how);
  const deliveries = (messageId: string): Promise<Delivery[]> =>
    stage.store.sql<Delivery>(
      `SELECT delivery_no AS no, status, attachment_id AS attachment, cause FROM outhaul.deliveries
        JOIN ${stage.organization.schema}.emails e ON e._no = email_no WHERE e.id = $1 ORDER BY part, delivery_no`,
      [messageId],
    );
  const blobs = (): BlobStore => stage.blobs.of(stage.organization);
  const hashOf = async (sha256: string | null, size: number | null): Promise<string> => {
    const hash = createHash('sha256');
    for await (const piece of await blobs().open({ sha256: sha256 ?? '', size: size ?? 0 }))
      hash.update(piece as Buffer);
    return hash.digest('hex');
  };

  it('of every kind are stored as Graph gives them, and what waited for them is owed', async () => {
    const to = await destination(REDIS());
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [
      file('report.pdf', 5_000, { contentType: 'application/pdf' }),
      file('empty.txt', 0),
      file('large.bin', 4_000_000),
      { kind: 'item', name: 'A mail', item: { subject: 'inside' } },
      { kind: 'reference', name: 'A link' },
      file('picture.png', 70, { isInline: true, contentId: 'picture' }),
    ]);
    expect(await scan(mailbox)).toMatchObject(DONE);
    const [attachments, real] = [await stored(mailbox, id), await truth(mailbox, id)];
    expect(attachments.map(({ id, kind, name, state }) => [id, kind, name, state])).toEqual(
      real.map(({ id, kind, name }) => [id, kind, name, kind === 'reference' ? 'left_out' : 'stored']),
    );
    for (const [at, { sha256, byteSize }] of attachments.entries()) {
      expect(sha256).toBe(real[at]?.sha256);
      if (sha256 !== null) expect(await hashOf(sha256, byteSize)).toBe(sha256);
    }
    expect((await deliveries(id)).map(({ status, attachment }) => [status, attachment])).toEqual(
      real.flatMap(({ id, kind }) => (kind === 'reference' ? [] : [['owed', id]])),
    );
    expect(stage.woken).toContain(to.destinationNo);
  });

  it('come with the list where they are small: one request a message', async () => {
    await destination(REDIS());
    const mailbox = stage.ownMailbox();
    for (let at = 0; at < 20; at++) arrive(mailbox, [file('same name', 50 + at)]);
    stage.simulator.control.resetStats();
    await scan(mailbox);
    expect(stage.simulator.control.stats().byKind).toMatchObject({ attachments: 20 });
    expect(stage.simulator.control.stats().byKind).not.toHaveProperty('attachmentValue');
    expect(stage.simulator.control.stats().peakMailboxConcurrency).toBeLessThanOrEqual(3);
  });

  it('of new mail are read in the slice that reads it', async () => {
    const mailbox = stage.ownMailbox();
    await scan(mailbox);
    await destination(REDIS());
    await live.start(mailbox);
    await live.subscribe(mailbox);
    const id = arrive(mailbox, [file('new.txt')]);
    await live.hint(mailbox, id);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await deliveries(id)).toMatchObject([{ status: 'owed' }]);
  });

  it('of new mail wait neither for a large one nor for what there is of old mail', async () => {
    const mailbox = stage.ownMailbox();
    await destination(REDIS());
    const { scanNo } = await stage.addScan();
    const old = [1, 2, 3, 4].map((seed) => arrive(mailbox, [file('large.bin', 3_200_000 + seed)]));
    await expect(stage.read(mailbox, scanNo, { blobs: full })).resolves.toMatchObject(DONE);
    await live.start(mailbox);
    await live.subscribe(mailbox);
    const held = stage.simulator.control.hold({ mailbox, kind: 'attachmentValue' });
    const reading = live.read(mailbox);
    await held.reached();
    const id = arrive(mailbox, [file('new.txt')]);
    await live.hint(mailbox, id);
    await vi.waitFor(async () => expect(await deliveries(id)).toMatchObject([{ status: 'owed' }]), 20_000);
    expect((await Promise.all(old.map(deliveries))).flat().map(({ status }) => status)).toEqual(
      old.map(() => 'waiting'),
    );
    stage.simulator.control.clearHolds();
    expect(await reading).toMatchObject(DONE);
    expect((await Promise.all(old.map(deliveries))).flat().map(({ status }) => status)).toEqual(old.map(() => 'owed'));
    expect(stage.simulator.control.stats().peakMailboxConcurrency).toBeLessThanOrEqual(3);
  });

  it('that nobody wants are listed and left out, until somebody does', async () => {
    await destination(REDIS({ attachmentType: ['pdf'], maxAttachmentBytes: 1_000 }));
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [
      file('a.pdf', 900),
      file('b.png'),
      file('too large.pdf', 900_000),
      file('c.pdf', 1_001, { contentType: 'application/pdf' }),
    ]);
    await scan(mailbox);
    const states = async () => (await stored(mailbox, id)).map(({ name, state, reason }) => [name, state, reason]);
    expect(await states()).toEqual([
      ['a.pdf', 'stored', null],
      ['b.png', 'left_out', 'not_wanted'],
      ['too large.pdf', 'left_out', 'not_wanted'],
      // Only its bytes could tell that it is too large.
      ['c.pdf', 'stored', null],
    ]);
    expect(await deliveries(id)).toMatchObject([{ status: 'owed' }]);
    const other = await destination(REDIS({ attachmentType: ['png'] }));
    await stage.store.sql(
      `INSERT INTO outhaul.deliveries (destination_no, organization_id, mailbox_no, email_no, ordered, status, priority)
        SELECT $1, $2, _mailbox_no, _no, true, 'waiting', 5 FROM ${stage.organization.schema}.emails WHERE id = $3`,
      [other.destinationNo, stage.organization.organizationId, id],
    );
    stage.simulator.control.resetStats();
    await live.read(mailbox);
    expect(await states()).toContainEqual(['b.png', 'stored', null]);
    expect(stage.simulator.control.stats().byKind).not.toHaveProperty('attachmentValue');
    expect((await deliveries(id)).map(({ status }) => status)).toEqual(['owed', 'owed']);
  });

  it('are not fetched for a destination that only hears of them', async () => {
    await destination(UTILITY());
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a.pdf')]);
    await scan(mailbox);
    expect(await stored(mailbox, id)).toMatchObject([{ name: 'a.pdf', state: 'left_out' }]);
    expect(await deliveries(id)).toMatchObject([{ status: 'owed', attachment: '' }]);
  });

  it('that Graph cannot give are quarantined with its code, and nothing else with them', async () => {
    await destination(REDIS());
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('good.txt'), file('broken.pdf', 200), file('also good.txt', 300)]);
    const [, broken] = await truth(mailbox, id);
    stage.simulator.control.addFault({
      mailbox,
      message: id,
      attachment: broken?.id ?? '',
      effect: { type: 'poison' },
    });
    expect(await scan(mailbox)).toMatchObject(DONE);
    const [first, second, third] = await stored(mailbox, id);
    expect([first?.state, third?.state]).toEqual(['stored', 'stored']);
    expect(second).toMatchObject({ state: 'quarantined', reason: 'ErrorCannotOpenFileAttachment' });
    expect(second?.requestId).not.toBeNull();
    expect(await deliveries(id)).toHaveLength(3);
  });

  it('that cannot be read, where only their bytes could tell their type, are missed by whoever filters by it', async () => {
    const filters = { attachmentType: ['pdf'] };
    const list = await destination(REDIS(filters));
    await destination(UTILITY(filters));
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a scan', 200, { contentType: 'application/octet-stream' })]);
    const [{ id: attachment } = { id: '' }] = await truth(mailbox, id);
    const effect = { type: 'poison' } as const;
    stage.simulator.control.addFault({ mailbox, message: id, attachment, effect });
    expect(await scan(mailbox)).toMatchObject(DONE);
    expect(await stored(mailbox, id)).toMatchObject([{ state: 'quarantined', sniffedType: null }]);
    // The first becomes a dead letter as soon as its turn has come: `drain` finds nothing to send.
    expect((await deliveries(id)).sort((one, other) => one.attachment.localeCompare(other.attachment))).toMatchObject([
      { status: 'dead', attachment: '', cause: 'AttachmentsMissing' },
      { status: 'owed', attachment },
    ]);
    await stage.store.sql(
      `UPDATE outhaul.deliveries SET status = 'dead', dead_at = now(), cause = 'AttachmentsMissing'
        WHERE destination_no = $1`,
      [list.destinationNo],
    );
    stage.simulator.control.clearFaults();
    await retryDeadLetters(stage.store.db, stage.organization, {});
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await stored(mailbox, id)).toMatchObject([{ state: 'stored' }]);
    // It was no PDF.
    expect(await deliveries(id)).toEqual([]);
  });

  it('that Graph cannot even list keep nobody else from his; who needs them has a dead letter', async () => {
    await destination(REDIS());
    await destination(UTILITY());
    await destination(UTILITY({ attachmentType: ['txt'] }));
    const mailbox = stage.ownMailbox();
    const [bad, good] = [arrive(mailbox, [file('a.txt')]), arrive(mailbox, [file('b.txt', 200)])];
    const effect = { type: 'poison', members: ['attachments'] } as const;
    stage.simulator.control.addFault({ mailbox, message: bad, kind: 'attachments', effect });
    expect(await scan(mailbox)).toMatchObject(DONE);
    const dead = { status: 'dead', attachment: '', cause: 'AttachmentsMissing' };
    expect(await deliveries(bad)).toMatchObject([dead, { status: 'owed', attachment: '' }, dead]);
    expect((await deliveries(good)).map(({ status }) => status)).toEqual(['owed', 'owed', 'owed']);
  });

  it('that cannot be read now are tried by a later attempt, the others at once; in the end they are quarantined', async () => {
    await destination(REDIS());
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('slow.bin', 4_000_000), file('good.txt')]);
    stage.simulator.control.addFault({ mailbox, kind: 'attachmentValue', effect: { type: 'status', status: 504 } });
    const { scanNo } = await stage.addScan();
    await expect(stage.read(mailbox, scanNo)).rejects.toMatchObject({ kind: 'too_slow' });
    expect((await stored(mailbox, id)).map(({ state }) => state)).toEqual(['wanted', 'stored']);
    expect(await deliveries(id)).toMatchObject([{ status: 'waiting' }]);
    const last = new MockActivityEnvironment({ attempt: 3, heartbeatDetails: { failures: 2 } });
    expect(await stage.read(mailbox, scanNo, { environment: last })).toMatchObject(DONE);
    expect((await stored(mailbox, id)).map(({ state }) => state)).toEqual(['quarantined', 'stored']);
    expect(await deliveries(id)).toMatchObject([{ status: 'owed' }, { status: 'owed' }]);
  });

  it('that came cut are asked for again until they are whole; those that always do are quarantined', async () => {
    await destination(REDIS());
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('cut once.bin', 4_000_000), file('cut always.bin', 4_000_001)]);
    const [once, always] = await truth(mailbox, id);
    const effect = { type: 'truncate', of: 'any', keep: 0.5 } as const;
    const cut = { mailbox, message: id, kind: 'attachmentValue', effect } as const;
    stage.simulator.control.addFault({ ...cut, attachment: once?.id ?? '', times: 1 });
    stage.simulator.control.addFault({ ...cut, attachment: always?.id ?? '' });
    const { scanNo } = await stage.addScan();
    await expect(stage.read(mailbox, scanNo)).rejects.toMatchObject({ kind: 'server_error', code: 'Truncated' });
    expect((await stored(mailbox, id)).map(({ state }) => state)).toEqual(['wanted', 'wanted']);
    expect(await deliveries(id)).toMatchObject([{ status: 'waiting' }]);
    const last = new MockActivityEnvironment({ attempt: 3, heartbeatDetails: { failures: 2 } });
    expect(await stage.read(mailbox, scanNo, { environment: last })).toMatchObject(DONE);
    const [whole, broken] = await stored(mailbox, id);
    expect(whole).toMatchObject({ state: 'stored', sha256: once?.sha256, byteSize: 4_000_000 });
    expect(broken).toMatchObject({ state: 'quarantined', reason: 'Truncated', sha256: null });
    expect(broken?.requestId).not.toBeNull();
    // The second becomes a dead letter when its turn comes, as whatever is not there.
    expect((await deliveries(id)).map(({ attachment }) => attachment)).toEqual([once?.id, always?.id]);
    const half = await stage.store.sql(`SELECT FROM ${stage.organization.schema}.blobs WHERE size = 2000000`);
    expect(half).toEqual([]);
  });

  it('that came empty are asked for again: a file of some size, and a mail of any', async () => {
    const mailbox = stage.ownMailbox();
    const mail = { kind: 'item', name: 'A mail', item: { subject: 'inside' } };
    const id = arrive(mailbox, [file('large.bin', 3_200_000), mail, file('empty.bin', 0)]);
    const effect = { type: 'truncate', of: 'any', keep: 0 } as const;
    stage.simulator.control.addFault({ mailbox, message: id, kind: 'attachmentValue', times: 2, effect });
    const { scanNo } = await stage.addScan({ content: 'attachments' });
    await expect(stage.read(mailbox, scanNo)).rejects.toMatchObject({ code: 'Truncated' });
    expect((await stored(mailbox, id)).map(({ state }) => state)).toEqual(['wanted', 'wanted', 'stored']);
    expect(await stage.read(mailbox, scanNo)).toMatchObject(DONE);
    const hashes = (await stored(mailbox, id)).map(({ sha256 }) => sha256);
    expect(hashes).toEqual((await truth(mailbox, id)).map(({ sha256 }) => sha256));
  });

  it('that came cut in the list are asked for by themselves', async () => {
    await destination(REDIS());
    const mailbox = stage.ownMailbox();
    const content = new CutInList(1, 200_000);
    const common = { contentType: null, isInline: false, contentId: null };
    const { id } = stage.simulator.control.addMessage({ mailbox, folder: 'inbox' }, { hasAttachments: true }, [
      { kind: 'file', name: 'report.pdf', ...common, content },
    ]);
    stage.simulator.control.resetStats();
    expect(await scan(mailbox)).toMatchObject(DONE);
    expect(stage.simulator.control.stats().byKind).toMatchObject({ attachments: 1, attachmentValue: 1 });
    expect(await stored(mailbox, id)).toMatchObject([{ state: 'stored', byteSize: 200_000 }]);
  });

  it('of a message that is gone cannot be had: who needs them has a dead letter that says why', async () => {
    const to = await destination(REDIS());
    await destination(UTILITY());
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a.txt')]);
    const effect = { type: 'status', status: 404, code: 'ErrorItemNotFound' } as const;
    stage.simulator.control.addFault({ mailbox, message: id, kind: 'attachments', effect });
    expect(await scan(mailbox)).toMatchObject(DONE);
    expect(await deliveries(id)).toMatchObject([
      { status: 'dead', attachment: '', cause: 'AttachmentsMissing' },
      { status: 'owed', attachment: '' },
    ]);
    const { letters } = await listDeadLetters(stage.store.db, stage.organization, { limit: 9 });
    expect(letters).toMatchObject([
      { destinationId: to.id, messageId: id, error: 'Graph cannot list its attachments (ErrorItemNotFound)' },
    ]);
  });

  it('of a draft are listed anew once it is sent', async () => {
    const { control } = stage.simulator;
    const mailbox = stage.ownMailbox();
    const [id, unlisted] = [
      arrive(mailbox, [file('old.txt')], { isDraft: true }),
      arrive(mailbox, [file('a.txt')], { isDraft: true }),
    ];
    const effect = { type: 'poison', members: ['attachments'] } as const;
    control.addFault({ mailbox, message: unlisted, kind: 'attachments', effect });
    const whole = await stage.addScan({ content: 'attachments' });
    expect(await stage.read(mailbox, whole.scanNo)).toMatchObject(DONE);
    expect((await stored(mailbox, id)).map(({ name }) => name)).toEqual(['old.txt']);
    control.clearFaults();

    await destination(REDIS());
    await destination(UTILITY());
    const [{ id: old } = { id: '' }] = await truth(mailbox, id);
    control.attachments.remove({ mailbox, id, attachment: old });
    for (const added of readAttachments([file('new.txt', 200), file('newer.txt', 300)])) {
      control.attachments.add({ mailbox, id }, added);
    }
    for (const message of [id, unlisted]) control.changeMessage({ mailbox, id: message }, { isDraft: false });
    expect(await scan(mailbox)).toMatchObject(DONE);
    const names = (await stored(mailbox, id)).map(({ name, state }) => [name, state]);
    expect(names).toEqual([
      ['new.txt', 'stored'],
      ['newer.txt', 'stored'],
    ]);
    const owed = (await deliveries(id)).map(({ attachment, status }) => [attachment, status]);
    const [one, other] = await truth(mailbox, id);
    expect(owed.sort()).toEqual(
      [
        ['', 'owed'],
        [one?.id, 'owed'],
        [other?.id, 'owed'],
      ].sort(),
    );
    expect((await deliveries(unlisted)).map(({ status }) => status)).toEqual(['owed', 'owed']);
  });

  it('of a draft that is sent while they are being listed are listed anew', async () => {
    const { control } = stage.simulator;
    const mailbox = stage.ownMailbox();
    await destination(REDIS());
    const id = arrive(mailbox, [file('old.txt')], { isDraft: true });
    const { scanNo } = await stage.addScan({ content: 'attachments' });
    const held = control.hold({ mailbox, kind: 'attachments' });
    const reading = stage.read(mailbox, scanNo);
    await held.reached();
    await stage.store.sql(
      `WITH sent AS (UPDATE ${stage.organization.schema}.emails SET is_draft = false WHERE id = $1 RETURNING *)
        INSERT INTO outhaul.deliveries (destination_no, organization_id, mailbox_no, email_no, ordered, status, priority)
        SELECT destination_no, organization_id, _mailbox_no, _no, true, 'waiting', 5 FROM sent, outhaul.destinations`,
      [id],
    );
    control.clearHolds();
    expect(await reading).toMatchObject(DONE);
    expect(await deliveries(id)).toMatchObject([{ status: 'waiting' }]);
    control.resetStats();
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(control.stats().byKind).toMatchObject({ attachments: 1 });
    expect(await deliveries(id)).toMatchObject([{ status: 'owed' }]);
  });

  it('that could not be read are read once more when their dead letters are retried, or replayed', async () => {
    const to = await destination(REDIS());
    const mailbox = stage.ownMailbox();
    const unlisted = arrive(mailbox, [file('a.txt'), file('b.txt', 200)]);
    const broken = arrive(mailbox, [file('c.txt', 300)]);
    const [{ id: attachment } = { id: '' }] = await truth(mailbox, broken);
    const { db } = stage.store;
    const fail = async (): Promise<void> => {
      const effect = { type: 'poison' } as const;
      const members = ['attachments'];
      stage.simulator.control.addFault({
        ...{ mailbox, message: unlisted, kind: 'attachments', effect: { ...effect, members } },
      });
      stage.simulator.control.addFault({ mailbox, message: broken, attachment, effect });
      await live.read(mailbox);
      // As the drain does of attachments that are not there.
      await stage.store.sql(
        `UPDATE outhaul.deliveries SET status = 'dead', dead_at = now(), cause = 'AttachmentsMissing'
          WHERE attachment_id = $1`,
        [attachment],
      );
      expect(await states()).toEqual([['dead'], ['dead']]);
      stage.simulator.control.clearFaults();
    };
    const states = async () =>
      (await Promise.all([unlisted, broken].map(deliveries))).map((each) => each.map(({ status }) => status));
    await expect(stage.read(mailbox, (await stage.addScan()).scanNo, { blobs: full })).resolves.toMatchObject(DONE);
    await fail();
    expect(await retryDeadLetters(db, stage.organization, {})).toMatchObject({ letters: 2, mailboxIds: [mailbox] });
    expect(await states()).toEqual([['waiting'], ['waiting']]);
    await fail();
    const replayed = await replayWindow(db, stage.organization, {
      ...{ destinationNo: to.destinationNo, since: '1970-01-01T00:00:00Z', until: '2999-01-01T00:00:00Z' },
      ...{ begunAt: await replayBegins(db), after: 0, limit: 1_000_000 },
      owes: ({ email }) => (email.has_attachments ? { owing: 'waiting', urgency: URGENCY.stored } : undefined),
      owesAttachment: () => true,
    });
    expect(replayed.owed).toBeGreaterThanOrEqual(2);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await states()).toEqual([['owed', 'owed'], ['owed']]);
    expect((await stored(mailbox, broken)).map(({ state }) => state)).toEqual(['stored']);
  });

  it('with names of any kind, and archives of any depth, are bytes', async () => {
    await destination(REDIS());
    const mailbox = stage.ownMailbox();
    const names = ['../../etc/passwd', 'C:\\boot.ini', 'a\u0000b\u0007.txt', '\ud800', 'x'.repeat(10_000), '', null];
    const id = arrive(
      mailbox,
      names.map((name, at) => file('', 10 + at, { name, contentType: 'application/zip' })),
    );
    expect(await scan(mailbox)).toMatchObject(DONE);
    const attachments = await stored(mailbox, id);
    expect(attachments.map(({ state }) => state)).toEqual(names.map(() => 'stored'));
    expect(attachments[0]?.name).toBe('../../etc/passwd');
  });

  it('of the same content are stored once', async () => {
    await destination(REDIS());
    const mailbox = stage.ownMailbox();
    const ids = [1, 2, 3].map(() => arrive(mailbox, [file('same.bin', 4_242), file('again.bin', 4_242)]));
    await scan(mailbox);
    const hashes = new Set(
      (await Promise.all(ids.map((id) => stored(mailbox, id)))).flat().map(({ sha256 }) => sha256),
    );
    expect(hashes.size).toBe(1);
    expect(await stage.store.sql(`SELECT FROM ${stage.organization.schema}.blobs WHERE size = 4242`)).toHaveLength(1);
  });

  it('are not lost where the reader is, wherever that happens', async () => {
    await destination(REDIS());
    const mailbox = stage.ownMailbox();
    const ids = [1, 2, 3, 4].map((seed) =>
      arrive(mailbox, [file('a.bin', seed * 10), file('b.bin', 3_500_000 + seed)]),
    );
    const { scanNo } = await stage.addScan();
    let cancelAt = 1;
    for (let done = false; !done; cancelAt += 2) {
      const environment = new MockActivityEnvironment();
      const interrupting = counting(
        stage.blobs,
        () => cancelAt,
        () => environment.cancel('WORKER_SHUTDOWN'),
      );
      done = await stage.read(mailbox, scanNo, { environment, blobs: interrupting }).then(
        () => true,
        () => false,
      );
    }
    expect(cancelAt).toBeGreaterThan(4);
    for (const id of ids) {
      expect((await stored(mailbox, id)).map(({ state }) => state)).toEqual(['stored', 'stored']);
      expect((await deliveries(id)).map(({ status }) => status)).toEqual(['owed', 'owed']);
    }
  });

  it('that were stored before a crash are owed after it', async () => {
    await destination(REDIS());
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a.txt')]);
    await scan(mailbox);
    await stage.store.sql(
      `UPDATE outhaul.deliveries SET status = 'waiting', attachment_id = '', part = 0 WHERE destination_no = ANY(
        SELECT destination_no FROM outhaul.destinations WHERE organization_id = $1)`,
      [stage.organization.organizationId],
    );
    stage.simulator.control.resetStats();
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await deliveries(id)).toMatchObject([{ status: 'owed', attachment: (await truth(mailbox, id))[0]?.id }]);
    expect(stage.simulator.control.stats().byKind).not.toHaveProperty('attachments');
  });

  it('wait while the blob store is full, and say so; mail is stored all the same', async () => {
    await destination(REDIS({ subject: ['wanted'] }));
    await destination(UTILITY({ subject: ['other'] }));
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a.txt')], { subject: 'wanted' });
    const other = arrive(mailbox, [file('b.txt')], { subject: 'other' });
    const { scanNo } = await stage.addScan();
    expect(await stage.read(mailbox, scanNo, { blobs: full })).toMatchObject(DONE);
    expect(await stage.storedIds(mailbox)).toContain(id);
    expect(await deliveries(id)).toMatchObject([{ status: 'waiting', cause: 'BlobsUnavailable' }]);
    // Who needs no bytes has not to wait.
    expect(await deliveries(other)).toMatchObject([{ status: 'owed', cause: null }]);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await deliveries(id)).toMatchObject([{ status: 'owed', cause: null }]);
  });

  it('whose bytes are lost are read again, and what was to be sent waits for them', async () => {
    await destination(REDIS());
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a.txt'), file('b.txt', 200)]);
    await scan(mailbox);
    const [lost, kept] = await stored(mailbox, id);
    const [owed] = await deliveries(id);
    await blobs().setAside(lost?.sha256 ?? '');
    const { emailNo = 0, sha256 } = lost ?? {};
    const request = {
      emailNo,
      attachmentId: lost?.id ?? '',
      sha256: sha256 ?? '',
      deliveryNos: [owed?.no ?? 0],
    };
    const { db } = stage.store;
    expect(await attachmentLost(db, stage.organization, request)).toEqual({ mailboxId: mailbox });
    expect(await attachmentLost(db, stage.organization, request)).toBeUndefined();
    expect((await deliveries(id)).map(({ status }) => status)).toEqual(['waiting', 'owed']);
    await live.read(mailbox);
    expect((await deliveries(id)).map(({ status }) => status)).toEqual(['owed', 'owed']);
    expect(await stored(mailbox, id)).toMatchObject([{ state: 'stored', sha256 }, { sha256: kept?.sha256 }]);
    expect(await hashOf(sha256 ?? '', lost?.byteSize ?? 0)).toBe(sha256);
  });

  it('are all wanted by a scan that asks for them', async () => {
    const mailbox = stage.ownMailbox();
    const id = arrive(mailbox, [file('a.txt'), { kind: 'reference', name: 'A link' }]);
    const unmarked = arrive(mailbox, [file('picture.png', 200, { isInline: true, contentId: 'picture' })], {
      body: { contentType: 'html', content: '<img src="cid:picture">' },
    });
    const { scanNo } = await stage.addScan({ content: 'attachments' });
    expect(await stage.read(mailbox, scanNo)).toMatchObject(DONE);
    expect((await stored(mailbox, id)).map(({ state }) => state)).toEqual(['stored', 'left_out']);
    expect(await stored(mailbox, unmarked)).toMatchObject([{ state: 'stored' }]);
    const again = await stage.addScan({ content: 'attachments' });
    await expect(stage.read(mailbox, again.scanNo, { blobs: full })).resolves.toMatchObject(DONE);
    arrive(mailbox, [file('c.txt', 300)]);
    const third = await stage.addScan({ content: 'attachments' });
    await expect(stage.read(mailbox, third.scanNo, { blobs: full })).rejects.toBeInstanceOf(BlobsUnavailable);
  });
});

/** A file that is a tenth of itself when it is read first. */
class CutInList extends GeneratedContent {
  #reads = 0;

  override *pieces(): Generator<Uint8Array> {
    if (this.#reads++ === 0) yield Buffer.alloc(this.length / 10, 'cut');
    else yield* super.pieces();
  }
}

/** A blob store that takes nothing. */
const full: BlobStores = {
  of: () =>
    new Proxy({} as BlobStore, {
      get: (_, name) =>
        name === 'then' ? undefined : () => Promise.reject(new BlobsUnavailable('full', 'ENOSPC', null)),
    }),
};

/** A blob store that calls back after so many blobs. */
const counting = (stores: BlobStores, limit: () => number, reached: () => void): BlobStores => ({
  of(organization) {
    const store = stores.of(organization);
    let count = 0;
    return new Proxy(store, {
      get(target, name: keyof BlobStore) {
        const method = (target[name] as (...given: unknown[]) => Promise<unknown>).bind(target);
        if (name !== 'put') return method;
        return async (...given: unknown[]) => {
          const result = await method(...given);
          if (++count === limit()) reached();
          return result;
        };
      },
    });
  },
});
