import { expect, it, vi } from 'vitest';
import { Outboxes } from '../../activities/outbox.ts';
import { storePage, type StoringContext } from '../../activities/storing.ts';
import { URGENCY } from '../../model/delivery.ts';
import { withDefaults, type GivenSettings } from '../../model/destination.ts';
import { createDestination, listDestinations, type Destination } from '../../store/destinations.ts';
import { feedDestination } from '../../store/feeding.ts';
import { Outbox, utility as utilityKind } from '../store/outbox-support.ts';
import { message, unique } from '../store/support.ts';
import { useMailboxes } from './stage.ts';

const stage = useMailboxes({ seed: 71, mailboxes: 3, messagesPerMailbox: 30 });

const utility = (filters: GivenSettings<'utility'>['filters'] = {}): Promise<Destination> =>
  createDestination(stage.store.db, stage.organization, {
    name: unique('utility'),
    kind: 'utility',
    settings: withDefaults('utility', { endpoint: 'https://utility.example', filters }),
    starts: 'now',
  });

const owedTo = async ({ destinationNo }: Destination, mailbox: string) =>
  stage.store.sql<{ id: string; status: string; priority: number }>(
    `SELECT e.id, d.status, d.priority FROM outhaul.deliveries d JOIN ${stage.organization.schema}.emails e ON e._no = d.email_no
      WHERE d.destination_no = $1 AND e._user_id = $2 ORDER BY e.id`,
    [destinationNo, mailbox],
  );

/** Ids of the messages that Graph shows, sorted: those that are mail. */
const mailIn = (mailbox: string): string[] =>
  stage.simulator.control.truth
    .page({ mailbox, limit: 10_000 })
    .value.filter(({ message }) => message['isDraft'] === false)
    .map(({ message }) => message['id'] as string)
    .sort();

it('owes every message that a scan stores to the destinations that want it, once, and wakes these', async () => {
  const mailbox = stage.ownMailbox();
  const { scanNo } = await stage.addScan();
  const [{ address = '' } = {}] = await stage.store.sql<{ address: string }>(
    `SELECT _user_email AS address FROM ${stage.organization.schema}.mailboxes WHERE id = $1`,
    [mailbox],
  );
  const [all, here, nothing] = [
    await utility(),
    await utility({ mailbox: [address] }),
    await utility({ subject: ['no message has this'] }),
  ];
  await stage.read(mailbox, scanNo);

  const owed = await owedTo(all, mailbox);
  expect(owed.map(({ id }) => id)).toEqual(mailIn(mailbox));
  expect(new Set(owed.map(({ priority }) => priority))).toEqual(new Set([3]));
  expect((await owedTo(here, mailbox)).map(({ id }) => id)).toEqual(mailIn(mailbox));
  expect(await owedTo(nothing, mailbox)).toEqual([]);
  expect(new Set(stage.woken)).toEqual(new Set([all.destinationNo, here.destinationNo]));

  const again = await stage.addScan();
  const before = stage.woken.length;
  await stage.read(mailbox, again.scanNo);
  expect(await owedTo(all, mailbox)).toEqual(owed);
  expect(stage.woken).toHaveLength(before);
});

it('owes a draft to nobody until it is sent, and then once', async () => {
  const { control } = stage.simulator;
  const mailbox = stage.ownMailbox();
  const destination = await utility({ mailbox: [mailbox], subject: ['Half written'] });
  const id = control.addMessage({ mailbox, folder: 'drafts' }, { subject: 'Half written', isDraft: true }).id;
  const read = async (): Promise<void> => {
    const { scanNo } = await stage.addScan({}, 'incremental');
    expect(await stage.read(mailbox, scanNo)).toMatchObject({ done: true, outcome: 'completed' });
  };
  await read();
  expect(await stage.storedIds(mailbox)).toContain(id);
  control.changeMessage({ mailbox, id }, { subject: 'Half written, and more' });
  await read();
  expect(await owedTo(destination, mailbox)).toEqual([]);

  control.changeMessage({ mailbox, id }, { isDraft: false, subject: 'No more half written' });
  control.moveMessage({ mailbox, id }, 'sentitems');
  await read();
  const owed = [{ id, status: 'owed', priority: 3 }];
  expect(await owedTo(destination, mailbox)).toEqual(owed);
  expect(stage.woken).toContain(destination.destinationNo);

  control.changeMessage({ mailbox, id }, { isRead: true });
  await read();
  expect(await owedTo(destination, mailbox)).toEqual(owed);
});

it('owes a draft that is sent as soon as a destination is there to that one as well, once', async () => {
  const { store } = stage;
  const box = await Outbox.of(store, utilityKind);
  const { organization, reading } = box;
  const list = vi.fn((organizationId: string) => listDestinations(store.db, organizationId));
  const woken: number[] = [];
  const wake = (destinationNos: readonly number[]): Promise<void> =>
    Promise.resolve(void woken.push(...destinationNos));
  const context: StoringContext = {
    ...{ db: store.db, organization, leaseToken: reading.leaseToken, scanId: null, content: 'full' },
    ...{ mailbox: { id: reading.mailboxId }, mailboxAddress: null, urgency: URGENCY.live },
    outbox: new Outboxes({ list, wake, log: { warn() {} } }).of(organization),
  };
  await storePage(context, reading.page([message('draft', { isDraft: true }), message('old')]));
  const settings = { ...utilityKind, name: 'new', starts: 'now' } as const;
  const fresh = new Outbox(store, reading, await createDestination(store.db, organization, settings));
  const sent = message('draft', { changeKey: 'sent', '@odata.etag': 'W/"sent"' });
  const pages = await Promise.all([1, 2].map(() => storePage(context, reading.page([sent]))));
  expect(pages.map(({ updated }) => updated).sort()).toEqual([0, 1]);
  expect(await fresh.statuses()).toEqual(['draft owed']);
  expect((await box.statuses()).sort()).toEqual(['draft owed', 'old owed']);
  expect(woken).toContain(fresh.destination.destinationNo);
  expect(list).toHaveBeenCalledTimes(2);

  const { destinationNo } = fresh.destination;
  await store.sql(
    `UPDATE outhaul.destinations SET created_at = now() - interval '2 minutes' WHERE destination_no = $1`,
    [destinationNo],
  );
  const feed = { destinationNo, limit: 100, owes: () => ({ owing: 'owed', urgency: URGENCY.stored }) as const };
  expect(await feedDestination(store.db, organization, feed)).toMatchObject({ status: 'done', owed: 0 });
  expect(await fresh.statuses()).toEqual(['draft owed']);
});

it('reads the list of destinations anew when it is 10 s old, and does not remember that it could not be read', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const list = vi.fn(() => listDestinations(stage.store.db, stage.organization.organizationId));
    const outboxes = new Outboxes({ list, wake: () => Promise.resolve(), log: { warn() {} } });
    const outbox = outboxes.of(stage.organization);
    list.mockRejectedValueOnce(new Error('the store is away'));
    await expect(outbox.destinations()).rejects.toThrow('the store is away');
    await outbox.destinations();
    await outboxes.of(stage.organization).destinations();
    expect(list).toHaveBeenCalledTimes(2);
    vi.advanceTimersByTime(10_000);
    await outbox.destinations();
    expect(list).toHaveBeenCalledTimes(3);
  } finally {
    vi.useRealTimers();
  }
});

it('wakes once more at the end of a slice, which does not fail where that does', async () => {
  const wake = vi.fn(() => Promise.reject(new Error('Temporal is away')));
  const warn = vi.fn();
  const outbox = new Outboxes({ list: () => Promise.resolve([]), wake, log: { warn } }).of(stage.organization);
  await outbox.settled();
  expect(wake).not.toHaveBeenCalled();
  outbox.wakes([1]);
  outbox.wakes([]);
  outbox.wakes([2, 1]);
  await outbox.settled();
  expect(wake.mock.calls).toEqual([[[1]], [[2, 1]], [[1, 2]]]);
  expect(warn).toHaveBeenCalledTimes(3);
});
