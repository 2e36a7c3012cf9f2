import { describe, expect, it } from 'vitest';
import { URGENCY } from '../../model/delivery.ts';
import type { EmailRow } from '../../model/email.ts';
import type { GraphMessage } from '../../model/mail.ts';
import { transaction } from '../../store/database.ts';
import { UnknownTaker } from '../../store/errors.ts';
import { createDestination, removeDestination, type Destination } from '../../store/destinations.ts';
import { releaseWaiting, waitingMessages, type NowOwed, type OwedTo } from '../../store/owing.ts';
import { writeMessages, writePage } from '../../store/pages.ts';
import { mailboxesToWake } from '../../store/upkeep.ts';
import { batch, Outbox, owes, redisList, utility } from './outbox-support.ts';
import { message, openRound, unique, useStore } from './support.ts';

const store = useStore();

const release = (messages: readonly NowOwed[]): Promise<number[]> =>
  transaction(store.db, (client) => releaseWaiting(client, messages));

/** As whoever stores mail owes it. */
const owesMail =
  (destination: Destination) =>
  ({ is_draft: isDraft }: EmailRow): OwedTo[] =>
    isDraft ? [] : owes(destination)();

describe('a page that owes', () => {
  it('owes each new message to its destinations, in the order of the page, and says which have something now', async () => {
    const outbox = await Outbox.of(store, utility);
    const { reading, organization, destination } = outbox;
    const other = await createDestination(store.db, organization, { ...batch, name: 'other', starts: 'now' });
    const page = reading.page([message('a'), message('b', { subject: 'Invoice' }), message('c')], {
      owes: ({ subject }) => [
        ...owes(destination)(),
        ...(subject === 'Invoice'
          ? ([{ destinationNo: other.destinationNo, owing: 'waiting', urgency: URGENCY.scanned }] as const)
          : []),
      ],
    });
    expect(await writePage(store.db, organization, page)).toMatchObject({
      inserted: 3,
      owed: [destination.destinationNo],
    });
    expect(await outbox.statuses()).toEqual(['a owed', 'b owed', 'c owed']);
    const rows = await store.sql(
      `SELECT status, priority, ordered, organization_id = $2 AS own FROM outhaul.deliveries WHERE destination_no = $1`,
      [other.destinationNo, organization.organizationId],
    );
    expect(rows).toEqual([{ status: 'waiting', priority: 3, ordered: true, own: true }]);
  });

  it('owes nothing when it is written again, nor what was changed, moved, deleted and restored', async () => {
    const outbox = await Outbox.of(store, utility, { folders: ['inbox-id', 'archive-id'] });
    const { reading, organization, destination } = outbox;
    const page = reading.page([message('a'), message('b')], { owes: owes(destination) });
    await writePage(store.db, organization, page);
    expect((await writePage(store.db, organization, page)).owed).toBeUndefined();
    const changed = message('a', { changeKey: 'another', '@odata.etag': 'W/"another"', subject: 'Another' });
    await writePage(store.db, organization, reading.page([changed], { owes: owes(destination) }));
    await openRound(store.db, organization, { ...reading.request, folder: { id: 'archive-id' } });
    await writeMessages(store.db, organization, {
      ...{ mailboxId: reading.mailboxId, leaseToken: reading.leaseToken, scanNos: [], scanId: null, removed: [] },
      folder: { id: 'archive-id', path: 'archive' },
      messages: [message('b')],
      suspicious: true,
      owes: owes(destination),
    });
    await store.sql(`UPDATE ${organization.schema}.emails SET _deleted_at = now() WHERE id = 'a'`);
    const { restored } = await writePage(
      store.db,
      organization,
      reading.page([message('a')], { owes: owes(destination) }),
    );
    expect(restored).toBe(1);
    expect(await outbox.statuses()).toEqual(['a owed', 'b owed']);
  });

  it('owes a draft once it is sent, and once only', async () => {
    const outbox = await Outbox.of(store, utility, { folders: ['drafts-id', 'sent-id'] });
    const { reading, organization, destination } = outbox;
    const { mailboxId, leaseToken } = reading;
    const drafts = [message('a', { isDraft: true }), message('b', { isDraft: true }), message('mail')];
    const page = reading.page(drafts, { owes: owesMail(destination) });
    await writePage(store.db, organization, page);
    await writePage(store.db, organization, page);
    const edited = message('a', { isDraft: true, changeKey: 'edited', '@odata.etag': 'W/"edited"' });
    const draftsAgain = reading.page([edited], { owes: owesMail(destination) });
    expect((await writePage(store.db, organization, draftsAgain)).owed).toBeUndefined();
    expect(await outbox.statuses()).toEqual(['mail owed']);

    await openRound(store.db, organization, { ...reading.request, folder: { id: 'sent-id' } });
    const sent = {
      ...{ mailboxId, leaseToken, scanNos: [], scanId: null, removed: [], suspicious: false },
      folder: { id: 'sent-id', path: 'sentitems' },
      messages: [message('a', { changeKey: 'sent', '@odata.etag': 'W/"sent"' }), message('b'), message('new')],
      owes: owesMail(destination),
    };
    expect(await writeMessages(store.db, organization, sent)).toMatchObject({
      ...{ inserted: 1, updated: 2, owed: [destination.destinationNo] },
    });
    const owed = (await outbox.statuses()).sort();
    expect(owed).toEqual(['a owed', 'b owed', 'mail owed', 'new owed']);
    await store.sql('DELETE FROM outhaul.deliveries WHERE destination_no = $1', [destination.destinationNo]);
    expect((await writeMessages(store.db, organization, sent)).owed ?? []).toEqual([]);
    const read = message('a', { changeKey: 'read', '@odata.etag': 'W/"read"', isRead: true });
    expect((await writeMessages(store.db, organization, { ...sent, messages: [read] })).owed ?? []).toEqual([]);
    expect(await outbox.statuses()).toEqual([]);
  });

  it('owes a draft of which a partial record says that it is sent', async () => {
    const outbox = await Outbox.of(store, utility);
    const { reading, organization, destination } = outbox;
    const drafts = [message('a', { isDraft: true }), message('b', { isDraft: true }), message('mail')];
    const stage = (messages: readonly GraphMessage[]) => reading.page(messages, { owes: owesMail(destination) });
    await writePage(store.db, organization, stage(drafts));
    await store.sql('DELETE FROM outhaul.deliveries WHERE destination_no = $1', [destination.destinationNo]);
    const changes = [
      { id: 'a', changeKey: 'ck-a', isDraft: false },
      { id: 'b', changeKey: 'edited', isRead: true },
      { id: 'mail', changeKey: 'edited', isDraft: false, isRead: true },
    ];
    expect((await writePage(store.db, organization, stage(changes))).owed).toEqual([destination.destinationNo]);
    expect(await outbox.statuses()).toEqual(['a owed']);
    expect((await writePage(store.db, organization, stage(changes))).owed ?? []).toEqual([]);
    expect(await outbox.statuses()).toEqual(['a owed']);
  });

  it('owes messages that are read by id', async () => {
    const outbox = await Outbox.of(store, utility);
    const { mailboxId, leaseToken } = outbox.reading;
    const place = { mailboxId, leaseToken, folder: { id: 'inbox-id', path: 'inbox' }, scanNos: [], scanId: null };
    const result = await writeMessages(store.db, outbox.organization, {
      ...{ ...place, messages: [message('a')], removed: [], suspicious: true, owes: owes(outbox.destination) },
    });
    expect(result).toMatchObject({ inserted: 1, owed: [outbox.destination.destinationNo] });
  });

  it('owes what can be stored where the database refuses one of its messages', async () => {
    const outbox = await Outbox.of(store, utility);
    const deep = JSON.parse(`${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`) as object;
    const page = outbox.reading.page([message('a'), message('b', { odd: deep }), message('c')], {
      owes: owes(outbox.destination),
    });
    const result = await writePage(store.db, outbox.organization, page);
    expect(result.refused).toHaveLength(1);
    expect(result.owed).toEqual([outbox.destination.destinationNo]);
    expect(await outbox.statuses()).toEqual(['a owed', 'c owed']);
  });

  it('is not stored while there is a destination of which whoever stores does not know', async () => {
    const outbox = await Outbox.of(store, utility);
    const { organization, reading, destination } = outbox;
    const other = await Outbox.of(store, utility);
    const gone = await createDestination(store.db, organization, { ...batch, name: 'gone', starts: 'now' });
    const page = reading.page([message('a')], { owes: owes(destination) });
    const { destinationNo } = destination;
    for (const destinationNos of [[], [destinationNo], [gone.destinationNo, other.destination.destinationNo]]) {
      await expect(writePage(store.db, organization, { ...page, destinationNos })).rejects.toThrow(UnknownTaker);
    }
    expect(await store.sql(`SELECT FROM ${organization.schema}.emails`)).toEqual([]);
    await removeDestination(store.db, gone, { drop: false });
    const { inserted } = await writePage(store.db, organization, { ...page, destinationNos: [destinationNo] });
    expect(inserted).toBe(1);
    expect(await outbox.statuses()).toEqual(['a owed']);
  });

  it('is stored again with the messages that were let go of, once the destination is known', async () => {
    const { organization, reading, destination } = await Outbox.of(store, utility);
    const sent = [message('a')];
    const messages = [...sent];
    const held = { letGo: () => void (messages.length = 0), again: () => sent };
    const page = { ...reading.page(messages, { owes: owes(destination) }), held };
    const { destinationNo } = destination;
    await expect(writePage(store.db, organization, { ...page, destinationNos: [] })).rejects.toThrow(UnknownTaker);
    expect(messages).toEqual([]);
    expect(await writePage(store.db, organization, { ...page, destinationNos: [destinationNo] })).toMatchObject({
      inserted: 1,
      owed: [destinationNo],
    });
  });

  it('owes nothing, and stores nothing, where it is not committed', async () => {
    const outbox = await Outbox.of(store, utility);
    const { organization, reading, destination } = outbox;
    await store.sql(
      `CREATE FUNCTION ${organization.schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE SQLSTATE '57P01' USING MESSAGE = 'killed'; END $$`,
    );
    await store.sql(`CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON ${organization.schema}.emails
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ${organization.schema}.refuse()`);
    const page = reading.page([message('a')], { owes: owes(destination) });
    await expect(writePage(store.db, organization, page)).rejects.toThrow(/not available/);
    expect(
      await store.sql('SELECT FROM outhaul.deliveries WHERE destination_no = $1', [destination.destinationNo]),
    ).toEqual([]);
    await store.sql(`DROP TRIGGER refuse ON ${organization.schema}.emails`);
    await writePage(store.db, organization, page);
    expect(await outbox.statuses()).toEqual(['a owed']);
  });

  it('owes nothing to a destination that is gone by then', async () => {
    const outbox = await Outbox.of(store, utility);
    await removeDestination(store.db, outbox.destination, { drop: false });
    const page = outbox.reading.page([message('a')], { owes: owes(outbox.destination) });
    expect(await writePage(store.db, outbox.organization, page)).toMatchObject({ inserted: 1 });
    expect(await outbox.rows()).toEqual([]);
  });

  it('is committed before a destination that it owes to can be removed', async () => {
    const outbox = await Outbox.of(store, utility);
    const { destinationNo } = outbox.destination;
    const removal = await transaction(store.open(), async (client) => {
      await client.query('SELECT FROM outhaul.destinations WHERE destination_no = $1 FOR KEY SHARE', [destinationNo]);
      await client.query(
        `INSERT INTO outhaul.deliveries (destination_no, organization_id, mailbox_no, email_no, ordered, status, priority)
          VALUES ($1, $2, 1, 1, false, 'owed', 1)`,
        [destinationNo, outbox.organization.organizationId],
      );
      return { removing: removeDestination(store.db, outbox.destination, { drop: false }) };
    });
    expect(await removal.removing).toEqual({ status: 'owing', owing: 1 });
  });
});

describe('messages that wait for their attachments', () => {
  it('are found by mailbox, with who waits for them', async () => {
    const outbox = await Outbox.of(store, utility);
    const { organization, reading, destination } = outbox;
    const list = await createDestination(store.db, organization, { ...redisList, name: 'list', starts: 'now' });
    const to = [destination, list].map(({ destinationNo }) => ({
      ...{ destinationNo, owing: 'waiting' as const, urgency: URGENCY.live },
    }));
    const ids = ['a', 'b', 'c'];
    await writePage(
      store.db,
      organization,
      reading.page(
        ids.map((id) => message(id)),
        { owes: () => to },
      ),
    );
    const both = [destination.destinationNo, list.destinationNo];
    const { mailboxId } = reading;
    const first = await waitingMessages(store.db, organization, { mailboxId, after: 0, limit: 2 });
    expect(first).toEqual(
      ['a', 'b'].map((messageId) => ({
        messageId,
        emailNo: expect.any(Number) as number,
        destinationNos: both,
      })),
    );
    const after = first.at(-1)?.emailNo ?? 0;
    const rest = await waitingMessages(store.db, organization, { mailboxId, after, limit: 2 });
    expect(rest.map(({ messageId }) => messageId)).toEqual(['c']);
    expect(await waitingMessages(store.db, organization, { mailboxId: 'other', after: 0, limit: 2 })).toEqual([]);
    expect(await mailboxesToWake(store.db, organization, { seconds: 0, limit: 5 })).toEqual([mailboxId]);
  });

  it('are owed themselves, or as their attachments, or not at all, and once only', async () => {
    const outbox = await Outbox.of(store, redisList);
    const { destinationNo } = outbox.destination;
    await outbox.owe(['a', 'b', 'c'], { owing: 'waiting' });
    const [a, b, c] = await waitingMessages(store.db, outbox.organization, {
      ...{ mailboxId: outbox.reading.mailboxId, after: 0, limit: 10 },
    });
    const given = [
      { destinationNo, emailNo: a?.emailNo ?? 0, owed: ['second', 'first', 'second'] },
      { destinationNo, emailNo: b?.emailNo ?? 0, owed: [] },
      { destinationNo, emailNo: c?.emailNo ?? 0, owed: 'message' as const },
      { destinationNo, emailNo: 999_999, owed: 'message' as const },
    ];
    expect(await release(given)).toEqual([destinationNo]);
    expect(await outbox.statuses()).toEqual(['a second owed', 'a first owed', 'c owed']);
    expect(await release(given)).toEqual([]);
    expect(await release([])).toEqual([]);
    expect(await outbox.statuses()).toHaveLength(3);
  });
});

it('a page of a thousand messages for three destinations looks each up by its name', async () => {
  const outbox = await Outbox.of(store, utility);
  const { organization, reading, destination } = outbox;
  const more = [utility, batch].map((kind) =>
    createDestination(store.db, organization, { ...kind, name: unique('more'), starts: 'now' }),
  );
  const all = [destination, ...(await Promise.all(more))];
  const messages = Array.from({ length: 1000 }, (_, at) => message(`m${String(at).padStart(4, '0')}`));
  await writePage(store.db, organization, reading.page(messages, { owes: owes(...all) }));
  const [count] = await store.sql('SELECT count(*) AS count FROM outhaul.deliveries WHERE organization_id = $1', [
    organization.organizationId,
  ]);
  expect(count).toEqual({ count: 3000 });
  expect((await outbox.rows()).map(({ id }) => id)).toEqual(messages.map(({ id }) => id));
});
