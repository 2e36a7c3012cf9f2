import { describe, expect, it } from 'vitest';
import { toAttachmentRow } from '../../model/attachment.ts';
import { URGENCY } from '../../model/delivery.ts';
import { saveAttachments } from '../../store/attachments.ts';
import { transaction } from '../../store/database.ts';
import { settleDeliveries } from '../../store/deliveries.ts';
import {
  deadLetterCauses,
  dropDeadLetters,
  expireDeliveries,
  listDeadLetters,
  retryDeadLetters,
} from '../../store/dead-letters.ts';
import { deliveryCounts, dropDelivered } from '../../store/delivery-counts.ts';
import { createDestination } from '../../store/destinations.ts';
import { InvalidCursor, UnknownDestination } from '../../store/errors.ts';
import { feedDestination, replayBegins, replayWindow, type OwesStored } from '../../store/feeding.ts';
import { noteWaiting, releaseWaiting, waitingMessages } from '../../store/owing.ts';
import { writePage } from '../../store/pages.ts';
import { batch, Outbox, redisList, utility } from './outbox-support.ts';
import { message, useStore } from './support.ts';

const store = useStore();

/** Owes messages and has each refused for good, with the cause of its name. */
async function refuse(outbox: Outbox, causes: readonly string[]): Promise<number[]> {
  const { destinationNo } = outbox.destination;
  await outbox.owe(causes.map((cause, at) => `${cause}-${at}`));
  const claimed = await outbox.claim('worker', { limit: 10_000 });
  const outcomes = claimed.map(({ deliveryNo }, at) => ({
    ...({ deliveryNo, status: 'refused', cause: causes[at] ?? '', retryInMs: null } as const),
  }));
  await settleDeliveries(store.db, { destinationNo, token: 'worker' }, outcomes);
  return claimed.map(({ deliveryNo }) => deliveryNo);
}

describe('dead letters', () => {
  it('are listed page by page with what is known of them', async () => {
    const outbox = await Outbox.of(store, utility);
    await refuse(outbox, ['Http400', 'Http413', 'Http400']);
    const { organization, destination } = outbox;
    const first = await listDeadLetters(store.db, organization, { limit: 2 });
    expect(first.letters[0]).toEqual({
      deliveryNo: expect.any(Number) as number,
      ...{ destinationId: destination.id, destinationName: destination.name },
      ...{ messageId: 'Http400-0', mailboxId: 'mailbox-1', attachmentId: null, attempts: 1, replays: 0 },
      ...{ cause: 'Http400', error: null, httpStatus: null, answer: null },
      ...{ owedAt: expect.any(String) as string, endedAt: expect.any(String) as string },
    });
    const cursor = first.nextCursor ?? '';
    const rest = await listDeadLetters(store.db, organization, { limit: 2, cursor });
    expect(rest.letters.map(({ messageId }) => messageId)).toEqual(['Http400-2']);
    expect(rest.nextCursor).toBeNull();
    const chosen = await listDeadLetters(store.db, organization, { limit: 9, cause: 'Http413' });
    expect(chosen.letters.map(({ messageId }) => messageId)).toEqual(['Http413-1']);
    expect((await listDeadLetters(store.db, organization, { limit: 9, destinationNo: 999 })).letters).toEqual([]);
    await expect(listDeadLetters(store.db, organization, { limit: 9, cursor: 'odd' })).rejects.toThrow(InvalidCursor);
    expect(await deadLetterCauses(store.db, organization.organizationId)).toEqual([
      { destinationNo: destination.destinationNo, cause: 'Http400', letters: 2 },
      { destinationNo: destination.destinationNo, cause: 'Http413', letters: 1 },
    ]);
  });

  it('are retried by number, by cause or all, with their attempts before them and their own idempotency key', async () => {
    const outbox = await Outbox.of(store, utility);
    const { organization } = outbox;
    const [, second] = await refuse(outbox, ['a', 'b', 'b', 'c']);
    const { destinationNo } = outbox.destination;
    const retry = (filter: object) => retryDeadLetters(store.db, organization, filter);
    expect(await retry({ deliveryNos: [second], destinationNo })).toEqual({
      ...{ letters: 1, destinationNos: [destinationNo], mailboxIds: [] },
    });
    expect(await retry({ cause: 'b' })).toMatchObject({ letters: 1 });
    expect(await retry({ destinationNo: 999_999 })).toEqual({ letters: 0, destinationNos: [], mailboxIds: [] });
    expect(await outbox.statuses()).toEqual(['a-0 dead', 'c-3 dead', 'b-1 owed', 'b-2 owed']);
    expect(await outbox.claim('worker')).toMatchObject([
      { attempts: 0, replays: 0 },
      { attempts: 0, replays: 0 },
    ]);
    expect(await retry({})).toMatchObject({ letters: 2 });
    expect(await retryDeadLetters(store.db, { ...organization, organizationId: 'another' }, {})).toMatchObject({
      letters: 0,
    });
  });

  it('are dropped, and only they', async () => {
    const outbox = await Outbox.of(store, utility);
    await refuse(outbox, ['a', 'b']);
    await outbox.owe(['later']);
    const { organizationId } = outbox.organization;
    expect(await dropDeadLetters(store.db, organizationId, { cause: 'a' })).toBe(1);
    expect(await dropDeadLetters(store.db, organizationId, {})).toBe(1);
    expect(await outbox.statuses()).toEqual(['later owed']);
  });

  it('go through all in stretches', async () => {
    const outbox = await Outbox.of(store, utility);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['a']);
    await store.sql(
      `INSERT INTO outhaul.deliveries (destination_no, organization_id, mailbox_no, email_no, ordered, status, priority)
        SELECT $1, $2, 1, no, false, 'dead', 1 FROM generate_series(1000001, 1004500) no`,
      [destinationNo, outbox.organization.organizationId],
    );
    expect(await retryDeadLetters(store.db, outbox.organization, {})).toEqual({
      ...{ letters: 4500, destinationNos: [destinationNo], mailboxIds: [] },
    });
  });

  it('come from what was owed for too long, and those that waited for attachments wait for them again', async () => {
    const outbox = await Outbox.of(store, redisList);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['old', 'new']);
    await outbox.owe(['waits'], { owing: 'waiting' });
    await store.sql(
      `UPDATE outhaul.deliveries SET owed_at = now() - interval '8 days' WHERE destination_no = $1 AND email_no <>
        (SELECT _no FROM ${outbox.organization.schema}.emails WHERE id = 'new')`,
      [destinationNo],
    );
    const request = { destinationNo, maxWaitSeconds: 7 * 24 * 3600, limit: 1 };
    expect(await expireDeliveries(store.db, request)).toBe(1);
    expect(await expireDeliveries(store.db, { ...request, limit: 10 })).toBe(1);
    expect(await expireDeliveries(store.db, request)).toBe(0);
    expect(await outbox.statuses()).toEqual(['old dead', 'new owed', 'waits dead']);
    const causes = await deadLetterCauses(store.db, outbox.organization.organizationId);
    expect(causes.map(({ cause }) => cause).sort()).toEqual(['AttachmentsMissing', 'WaitedTooLong']);
    expect(await retryDeadLetters(store.db, outbox.organization, {})).toMatchObject({ mailboxIds: ['mailbox-1'] });
    expect(await outbox.statuses()).toEqual(['new owed', 'old owed', 'waits waiting']);
    expect(await expireDeliveries(store.db, request)).toBe(0);
  });

  it('that were owed for too long say what they waited for last, or why they were refused', async () => {
    const outbox = await Outbox.of(store, utility);
    const { organization, destination, reading } = outbox;
    const { destinationNo } = destination;
    await outbox.owe(['refused']);
    const [refused] = await outbox.claim('worker');
    await settleDeliveries(store.db, { destinationNo, token: 'worker' }, [
      {
        ...{ deliveryNo: refused?.deliveryNo ?? 0, status: 'refused', cause: 'Http503' },
        ...{ error: 'it answered with 503', retryInMs: 1_000 },
      },
    ]);
    await outbox.owe(['never tried']);
    await outbox.owe(['waits'], { owing: 'waiting' });
    await noteWaiting(store.db, organization, {
      ...{ mailboxId: reading.mailboxId, cause: 'BlobsUnavailable', words: 'the blob store is full' },
    });
    const expire = async () => {
      await store.sql(
        `UPDATE outhaul.deliveries SET owed_at = now() - interval '8 days', next_at = now() WHERE destination_no = $1`,
        [destinationNo],
      );
      await expireDeliveries(store.db, { destinationNo, maxWaitSeconds: 7 * 24 * 3600, limit: 10 });
      const { letters } = await listDeadLetters(store.db, organization, { limit: 9 });
      return letters.map(({ messageId, cause, error }) => [messageId, cause, error]);
    };
    const letters = [
      [
        ...['refused', 'WaitedTooLong'],
        'it was owed for too long; the last that went wrong: Http503: it answered with 503',
      ],
      ['never tried', 'WaitedTooLong', 'it was owed for too long'],
      [
        ...['waits', 'AttachmentsMissing'],
        'it was owed for too long; the last that went wrong: BlobsUnavailable: the blob store is full',
      ],
    ];
    expect(await expire()).toEqual(letters);
    await retryDeadLetters(store.db, organization, {});
    expect(await expire()).toEqual(letters);
  });

  it('are told apart from what was answered with an error, which is sent again under another key', async () => {
    const outbox = await Outbox.of(store, utility);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['fine', 'wrong']);
    const [fine, wrong] = await outbox.claim('worker');
    await settleDeliveries(store.db, { destinationNo, token: 'worker' }, [
      { deliveryNo: fine?.deliveryNo ?? 0, status: 'accepted' },
      { deliveryNo: wrong?.deliveryNo ?? 0, status: 'accepted', answer: 'no such customer' },
    ]);
    const { letters } = await listDeadLetters(store.db, outbox.organization, { limit: 9, answered: true });
    expect(letters).toMatchObject([{ messageId: 'wrong', answer: 'no such customer' }]);
    expect(await retryDeadLetters(store.db, outbox.organization, { answered: true })).toMatchObject({ letters: 1 });
    expect(await outbox.claim('worker')).toMatchObject([{ deliveryNo: wrong?.deliveryNo, replays: 1, attempts: 0 }]);
  });
});

describe('the figures of destinations', () => {
  it('say what is owed, to whom, and since when', async () => {
    const outbox = await Outbox.of(store, utility);
    const { destinationNo } = outbox.destination;
    const { organizationId } = outbox.organization;
    await refuse(outbox, ['a']);
    await outbox.owe(['b', 'c', 'd']);
    await outbox.owe(['e'], { owing: 'waiting' });
    const [b] = await outbox.claim('worker', { limit: 2 });
    await settleDeliveries(store.db, { destinationNo, token: 'worker' }, [
      { deliveryNo: b?.deliveryNo ?? 0, status: 'accepted' },
    ]);
    expect(await deliveryCounts(store.db, organizationId)).toEqual([
      {
        ...{ destinationNo, organizationId, waiting: 1, owed: 1, claimed: 1, dead: 1, delivered: 1, answered: 0 },
        ...{ oldestOwedAt: expect.any(String) as string, lastMinute: 1, lastMinuteMs: expect.any(Number) as number },
      },
    ]);
    expect((await deliveryCounts(store.db, null)).length).toBeGreaterThan(1);
    const drop = { destinationNo, limit: 10 };
    expect(await dropDelivered(store.db, { ...drop, before: '2020-01-01T00:00:00Z' })).toBe(0);
    expect(await dropDelivered(store.db, { ...drop, before: '2999-01-01T00:00:00Z' })).toBe(1);
    expect((await outbox.rows()).map(({ id }) => id)).toEqual(['a-0', 'c', 'd', 'e']);
  });
});

describe('a new destination', () => {
  const all: OwesStored = ({ mayHaveAttachments }) => ({
    ...{ owing: mayHaveAttachments ? 'waiting' : 'owed', urgency: URGENCY.stored },
  });
  const known = (outbox: Outbox): Promise<unknown> =>
    store.sql(`UPDATE outhaul.destinations SET created_at = now() - interval '2 minutes' WHERE destination_no = $1`, [
      outbox.destination.destinationNo,
    ]);
  const keep = (outbox: Outbox, ids: readonly string[], more: object = {}): Promise<unknown> =>
    writePage(store.db, outbox.organization, outbox.reading.page(ids.map((id) => message(id, more))));

  it('is fed from what is stored, once everybody knows of it, and owed nothing twice', async () => {
    const outbox = await Outbox.of(store, utility, { starts: 'stored' });
    const { organization, destination } = outbox;
    await keep(outbox, ['a', 'b']);
    await keep(outbox, ['attached'], { hasAttachments: true });
    await keep(outbox, ['inline'], { body: { contentType: 'html', content: '<img src="cid:x">' } });
    await outbox.owe(['owed']);
    await keep(outbox, ['other', 'gone'], { subject: 'Other' });
    await store.sql(`UPDATE ${organization.schema}.emails SET _deleted_at = now() WHERE id = 'gone'`);
    const request = { destinationNo: destination.destinationNo, limit: 2, owes: all };
    const feed = () => feedDestination(store.db, organization, request);
    const early = await feed();
    expect(early.status === 'early' && early.waitMs).toBeGreaterThan(60_000);
    await known(outbox);
    const wanted: OwesStored = (each) => (each.email.subject === 'Other' ? undefined : all(each));
    const seen: unknown[] = [];
    const owes: OwesStored = (each) => {
      seen.push([each.mailbox, each.folderPath, each.email.from_address]);
      return wanted(each);
    };
    const answers = [];
    for (let status = 'more'; status === 'more'; status = answers.at(-1)?.status ?? '') {
      answers.push(await feedDestination(store.db, organization, { ...request, owes }));
    }
    expect(answers.length).toBeGreaterThan(2);
    expect(seen[0]).toEqual([
      { id: 'mailbox-1', address: 'mailbox-1@contoso.example' },
      'inbox-id',
      'ada@contoso.example',
    ]);
    expect(seen).toHaveLength(6);
    expect((await outbox.statuses()).sort()).toEqual([
      ...['a owed', 'attached waiting', 'b owed', 'inline waiting', 'owed owed'],
    ]);
    await keep(outbox, ['later']);
    expect(await feed()).toEqual({ status: 'done', read: 0, owed: 0 });
    const missing = { ...request, destinationNo: 999_999 };
    await expect(feedDestination(store.db, organization, missing)).rejects.toThrow(UnknownDestination);
  });

  it('that starts now is fed what was stored while not everybody knew of it, and nothing older', async () => {
    const old = await Outbox.of(store, utility);
    await keep(old, ['old']);
    const destination = await createDestination(store.db, old.organization, { ...batch, name: 'new', starts: 'now' });
    const outbox = new Outbox(store, old.reading, destination);
    await keep(outbox, ['meanwhile']);
    await known(outbox);
    const request = { destinationNo: destination.destinationNo, limit: 100, owes: all };
    expect(await feedDestination(store.db, outbox.organization, request)).toEqual({ status: 'done', read: 1, owed: 1 });
    expect(await outbox.statuses()).toEqual(['meanwhile owed']);
  });

  it('can have replayed what was received at no known time: when it was sent, made or stored counts', async () => {
    const outbox = await Outbox.of(store, batch);
    const { organization, destination } = outbox;
    const received = { receivedDateTime: '2024-05-01T00:00:00Z', sentDateTime: '2020-01-01T00:00:00Z' };
    const none = { receivedDateTime: null, sentDateTime: null, createdDateTime: null };
    await keep(outbox, ['received'], received);
    await keep(outbox, ['sent'], { ...none, sentDateTime: '2024-05-02T00:00:00Z' });
    await keep(outbox, ['made'], { ...none, createdDateTime: '2024-05-03T00:00:00Z' });
    await keep(outbox, ['stored'], none);
    const replay = async (since: string, until: string) => {
      const begunAt = await replayBegins(store.db);
      const request = {
        destinationNo: destination.destinationNo,
        since,
        until,
        begunAt,
        after: 0,
        limit: 100,
        owes: all,
        owesAttachment: () => false,
      };
      const { read } = await replayWindow(store.db, organization, request);
      return [read, (await outbox.statuses()).map((row) => row.split(' ')[0])];
    };
    expect(await replay('2020-01-01T00:00:00Z', '2020-02-01T00:00:00Z')).toEqual([0, []]);
    expect(await replay('2024-05-02T00:00:00Z', '2024-05-03T00:00:00Z')).toEqual([1, ['sent']]);
    expect(await replay('2024-05-01T00:00:00Z', '2024-06-01T00:00:00Z')).toEqual([3, ['sent', 'received', 'made']]);
    expect(await replay('2025-01-01T00:00:00Z', '2999-01-01T00:00:00Z')).toMatchObject([1, { length: 4 }]);
  });

  it('can have a window of time replayed: what was sent under another key, and what it never got', async () => {
    const outbox = await Outbox.of(store, batch);
    const { organization, destination } = outbox;
    const { destinationNo } = destination;
    await outbox.owe(['sent', 'still-owed']);
    const [sent] = await outbox.next('worker');
    const outcome = { deliveryNo: sent?.deliveryNo ?? 0, status: 'accepted' } as const;
    await settleDeliveries(store.db, { destinationNo, token: 'worker' }, [outcome]);
    await keep(outbox, ['never-owed']);
    await keep(outbox, ['too-old'], { receivedDateTime: '2023-12-31T23:59:59Z' });
    const window = { since: '2024-01-01T00:00:00Z', until: '2024-12-31T00:00:00Z' };
    const wants = { owes: all, owesAttachment: () => false };
    const begunAt = await replayBegins(store.db);
    const totals = { read: 0, owed: 0 };
    for (let after: number | null = 0; after !== null;) {
      const request = { destinationNo, ...window, begunAt, after, limit: 2, ...wants };
      const answer: Awaited<ReturnType<typeof replayWindow>> = await replayWindow(store.db, organization, request);
      totals.read += answer.read;
      totals.owed += answer.owed;
      after = answer.after;
    }
    expect(totals).toEqual({ read: 3, owed: 2 });
    const next = await outbox.next('worker');
    expect(await outbox.names(next)).toEqual(['still-owed', 'sent', 'never-owed']);
    expect(next.map(({ replays }) => replays)).toEqual([0, 1, 0]);

    const outcomes = next.map(({ deliveryNo }) => ({ deliveryNo, status: 'accepted' }) as const);
    await settleDeliveries(store.db, { destinationNo, token: 'worker' }, outcomes);
    const again = { destinationNo, ...window, begunAt, after: 0, limit: 100, ...wants };
    expect(await replayWindow(store.db, organization, again)).toMatchObject({ owed: 0 });
  });

  it('can have replayed what it lacks of a message, and nothing more where it lacks nothing', async () => {
    const outbox = await Outbox.of(store, redisList);
    const { organization, destination, reading } = outbox;
    const { destinationNo } = destination;
    await outbox.owe(['some', 'whole', 'unread'], { owing: 'waiting' });
    const { mailboxId, leaseToken } = reading;
    const waiting = await waitingMessages(store.db, organization, { mailboxId, after: 0, limit: 10 });
    const attachments = ['pdf', 'docx'].map((id) => ({ row: toAttachmentRow({ id }, false), leftOut: 'not_wanted' }));
    const lists = ['some', 'whole'].map((messageId) => ({ messageId, attachments }));
    await saveAttachments(store.db, organization, { mailboxId, leaseToken, scanId: null, lists });
    const release = waiting.map(({ emailNo, messageId }) => ({
      ...{ destinationNo, emailNo, owed: messageId === 'whole' ? ['pdf', 'docx'] : ['pdf'] },
    }));
    await transaction(store.db, (client) => releaseWaiting(client, release));
    const before = ['some pdf owed', 'whole pdf owed', 'whole docx owed', 'unread pdf owed'];
    expect(await outbox.statuses()).toEqual(before);

    const asked: string[] = [];
    const replay = async (wanted: string) =>
      replayWindow(store.db, organization, {
        ...{ destinationNo, since: '2024-01-01T00:00:00Z', until: '2025-01-01T00:00:00Z' },
        ...{ begunAt: await replayBegins(store.db), after: 0, limit: 100 },
        owes: () => ({ owing: 'waiting', urgency: URGENCY.stored }),
        owesAttachment: ({ id }) => asked.push(id) > 0 && id === wanted,
      });
    expect(await replay('png')).toMatchObject({ read: 3, owed: 1 });
    expect(await outbox.statuses()).toEqual([...before, 'unread waiting']);
    expect(await replay('docx')).toMatchObject({ read: 3, owed: 1 });
    expect(await outbox.statuses()).toEqual([...before, 'unread waiting', 'some waiting']);
    expect(await replay('docx')).toMatchObject({ read: 3, owed: 0 });
    expect(asked).toEqual(['docx', 'docx']);
  });
});
