import { expect, it } from 'vitest';
import {
  countContacts,
  countingIsDue,
  noteCountingWoken,
  startCounting,
  stopCounting,
} from '../../store/contact-counting.ts';
import { contactMailboxes, contactTotals, listContacts } from '../../store/contacts.ts';
import { saveFolders } from '../../store/folders.ts';
import type { Organization } from '../../store/organizations.ts';
import { writePage } from '../../store/pages.ts';
import { markDeleted, moveEmails, noteUnsettled } from '../../store/settlement.ts';
import { folder, message, startReading, useStore, type Reading } from './support.ts';

const store = useStore();

const to = (...addresses: (string | null)[]) =>
  addresses.map((address) => ({ emailAddress: { name: 'Somebody', address } }));

interface Sending extends Reading {
  /** Stores mails in sent items: id, recipients, the rest. */
  readonly send: (...mails: readonly (readonly [id: string, more: object])[]) => Promise<void>;
}

/** A mailbox whose sent items are being read, and its inbox. */
async function sending(options: Parameters<typeof startReading>[1] = {}): Promise<Sending> {
  const reading = await startReading(store.db, { folders: ['sentitems', 'inbox-id'], ...options });
  const { organization, mailboxId, leaseToken } = reading;
  const folders = [folder('sentitems', { wellKnownName: 'sentitems' }), folder('inbox-id')];
  await saveFolders(store.db, organization, { mailboxId, leaseToken, scanId: 'any', folders });
  return {
    ...reading,
    async send(...mails) {
      const messages = mails.map(([id, more]) => message(id, { ccRecipients: [], ...more }));
      await writePage(store.db, organization, reading.page(messages));
    },
  };
}

async function countAll(organization: Organization, limits?: Parameters<typeof countContacts>[2]): Promise<number> {
  let changed = 0;
  for (;;) {
    const counted = await countContacts(store.db, organization, limits);
    changed += counted.changed;
    if (counted.status !== 'more') return changed;
  }
}

const contactsOf = async (organization: Organization) =>
  (await listContacts(store.db, organization, { mailboxes: null, limit: 100 })).map((contact) => [
    contact.address,
    contact.totalMailsSent,
    contact.lastInteractedDate,
  ]);

it('counts mails and the latest of them for each recipient, in to, cc and bcc', async () => {
  const { organization, send } = await sending();
  await startCounting(store.db, organization);
  await send(
    [
      'a',
      {
        toRecipients: to('Ada@x.example', 'ada@X.example'),
        ccRecipients: to('bob@y.example'),
        sentDateTime: '2026-01-01T08:00:00Z',
      },
    ],
    ['b', { toRecipients: to('Team', null), bccRecipients: to('ADA@x.example'), sentDateTime: '2026-01-02T08:00:00Z' }],
    ['c', { toRecipients: to('/O=CONTOSO/CN=EVE'), sentDateTime: '2026-01-03T08:00:00Z' }],
    ['d', { toRecipients: to('draft@x.example'), isDraft: true }],
  );
  expect(await countAll(organization)).toBe(2);
  expect(await listContacts(store.db, organization, { mailboxes: null, limit: 100 })).toEqual([
    { address: 'ada@x.example', domain: 'x.example', totalMailsSent: 2, lastInteractedDate: '2026-01-02T08:00:00Z' },
    { address: 'bob@y.example', domain: 'y.example', totalMailsSent: 1, lastInteractedDate: '2026-01-01T08:00:00Z' },
  ]);
  expect(await contactTotals(store.db, organization, null)).toMatchObject({ total: 2 });
});

it('counts what was stored before anybody wanted to know, in stretches, and nothing of other folders', async () => {
  const reading = await sending();
  const { organization, send } = reading;
  await send(...Array.from({ length: 7 }, (_, n) => [`m${n}`, { toRecipients: to('ada@x.example') }] as const));
  await store.sql(`UPDATE ${organization.schema}.emails SET _folder = 'inbox-id' WHERE id = 'm6'`);
  await startCounting(store.db, organization);
  await countAll(organization, { numbers: 2 });
  expect(await contactsOf(organization)).toEqual([['ada@x.example', 6, '2024-03-01T10:20:29Z']]);
  await startCounting(store.db, organization);
  await writePage(store.db, organization, reading.page([message('m0')]));
  expect(await countAll(organization)).toBe(0);
});

it('follows mails that change, move, go and come back', async () => {
  const { organization, send, mailboxId, leaseToken, scanNo } = await sending();
  await startCounting(store.db, organization);
  await send(
    ['a', { toRecipients: to('ada@x.example'), sentDateTime: '2026-01-01T00:00:00Z' }],
    ['b', { toRecipients: to('ada@x.example'), sentDateTime: '2026-01-05T00:00:00Z' }],
    ['c', { toRecipients: to('ada@x.example', 'bob@x.example'), sentDateTime: '2026-01-09T00:00:00Z' }],
  );
  await countAll(organization);
  expect(await contactsOf(organization)).toEqual([
    ['ada@x.example', 3, '2026-01-09T00:00:00Z'],
    ['bob@x.example', 1, '2026-01-09T00:00:00Z'],
  ]);

  const held = { mailboxId, leaseToken };
  await noteUnsettled(store.db, organization, { ...held, ids: ['c', 'b'] });
  expect(await countAll(organization)).toBe(0);
  await markDeleted(store.db, organization, { ...held, scanId: null, ids: ['c'] });
  await countAll(organization);
  expect(await contactsOf(organization)).toEqual([['ada@x.example', 2, '2026-01-05T00:00:00Z']]);

  const inbox = { id: 'inbox-id', path: 'inbox-id' };
  await moveEmails(store.db, organization, { ...held, scanId: null, scanNos: [scanNo], folder: inbox, ids: ['b'] });
  await countAll(organization);
  expect(await contactsOf(organization)).toEqual([['ada@x.example', 1, '2026-01-01T00:00:00Z']]);

  const sent = { id: 'sentitems', path: 'sentitems' };
  await moveEmails(store.db, organization, { ...held, scanId: null, scanNos: [scanNo], folder: sent, ids: ['b', 'c'] });
  await send(['a', { toRecipients: to('eve@x.example'), changeKey: 'new', '@odata.etag': 'W/"new"' }]);
  await countAll(organization);
  expect(await contactsOf(organization)).toEqual([
    ['ada@x.example', 2, '2026-01-09T00:00:00Z'],
    ['bob@x.example', 1, '2026-01-09T00:00:00Z'],
    ['eve@x.example', 1, '2024-03-01T10:20:29Z'],
  ]);
});

it('is told of nothing by a mail that is merely read or flagged', async () => {
  const { organization, send } = await sending();
  await startCounting(store.db, organization);
  await send(['a', { toRecipients: to('ada@x.example') }]);
  expect(await countingIsDue(store.db, organization)).toBe(true);
  await countAll(organization);
  await send(['a', { toRecipients: to('ada@x.example'), isRead: true, changeKey: 'new', '@odata.etag': 'W/"new"' }]);
  expect(await countingIsDue(store.db, organization)).toBe(false);
  expect(await countContacts(store.db, organization)).toEqual({ status: 'done', mails: 0, changed: 0 });
});

it('wakes somebody once for all that comes within a minute', async () => {
  const { organization, send } = await sending();
  await startCounting(store.db, organization);
  await send(['a', { toRecipients: to('ada@x.example') }]);
  await noteCountingWoken(store.db, organization);
  await send(['b', { toRecipients: to('ada@x.example') }]);
  expect(await countingIsDue(store.db, organization)).toBe(false);
  await store.sql(`UPDATE ${organization.schema}.contact_counting SET woken_at = now() - interval '46 s'`);
  expect(await countingIsDue(store.db, organization)).toBe(true);
});

it('misses no mail whose page is being written while counting starts, or while it counts', async () => {
  const { organization, send } = await sending();
  await send(['a', { toRecipients: to('ada@x.example') }]);
  const writer = await store.db.pool.connect();
  await writer.query('BEGIN');
  await writer.query(
    `UPDATE ${organization.schema}.emails SET to_recipients = '[{"address": "bob@x.example"}]' WHERE id = 'a'`,
  );
  const started = startCounting(store.db, organization);
  await writer.query('COMMIT');
  await started;
  await countAll(organization);
  expect(await contactsOf(organization)).toEqual([['bob@x.example', 1, '2024-03-01T10:20:29Z']]);

  await writer.query('BEGIN');
  await writer.query(
    `UPDATE ${organization.schema}.emails SET to_recipients = '[{"address": "eve@x.example"}]' WHERE id = 'a'`,
  );
  expect(await countAll(organization)).toBe(0);
  await writer.query('COMMIT');
  writer.release();
  await countAll(organization);
  expect(await contactsOf(organization)).toEqual([['eve@x.example', 1, '2024-03-01T10:20:29Z']]);
});

it('counts the same whoever counts at the same time, and as if all were counted anew', async () => {
  const { organization, send } = await sending();
  await startCounting(store.db, organization);
  for (let round = 0; round < 5; round++) {
    const mails = Array.from({ length: 40 }, (_, n) => {
      const recipients = to(`p${n % 7}@x.example`, `p${(n * round) % 5}@x.example`);
      return [
        `m${n % 25}-${n % 2 ? round : 0}`,
        { toRecipients: recipients, changeKey: `${round}-${n}`, '@odata.etag': `W/"${round}-${n}"` },
      ] as const;
    });
    await Promise.all([send(...mails), countAll(organization, { mails: 7 }), countAll(organization, { mails: 3 })]);
  }
  await countAll(organization);
  const kept = await contactsOf(organization);
  await stopCounting(store.db, organization);
  expect(await contactsOf(organization)).toEqual([]);
  expect(await countContacts(store.db, organization)).toEqual({ status: 'off', mails: 0, changed: 0 });
  await startCounting(store.db, organization);
  await countAll(organization);
  expect(await contactsOf(organization)).toEqual(kept);
  const [{ mails }] = (await store.sql<{ mails: number }>(
    `SELECT count(*)::int AS mails FROM ${organization.schema}.contact_mails`,
  )) as [{ mails: number }];
  expect(kept.reduce((sum, [, total]) => sum + Number(total), 0)).toBe(mails);
});

it('adds up the mailboxes that were chosen, by id, address or domain', async () => {
  const first = await sending({ mailboxId: 'one' });
  const { organization } = first;
  const second = await sending({ organizationId: organization.organizationId, mailboxId: 'two' });
  await startCounting(store.db, organization);
  await first.send(['a', { toRecipients: to('ada@x.example') }]);
  await second.send(['b', { toRecipients: to('ada@x.example', 'bob@x.example') }]);
  await countAll(organization);
  expect(await listContacts(store.db, organization, { mailboxes: null, limit: 9 })).toMatchObject([
    { address: 'ada@x.example', totalMailsSent: 2 },
    { address: 'bob@x.example', totalMailsSent: 1 },
  ]);
  const choose = (...names: string[]) => contactMailboxes(store.db, organization, names);
  const one = await choose('ONE@contoso.example', 'nobody@contoso.example');
  expect(one.unknown).toEqual(['nobody@contoso.example']);
  expect(await listContacts(store.db, organization, { mailboxes: one.mailboxes, limit: 9 })).toMatchObject([
    { address: 'ada@x.example', totalMailsSent: 1 },
  ]);
  expect((await choose('two')).mailboxes).toHaveLength(1);
  expect((await choose('@Contoso.example', 'one')).mailboxes).toHaveLength(2);
  expect(await listContacts(store.db, organization, { mailboxes: [], limit: 9 })).toEqual([]);
});
