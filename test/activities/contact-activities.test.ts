import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it } from 'vitest';
import { createContactActivities } from '../../activities/contact-activities.ts';
import { countingIsDue, noteCountingWoken, startCounting } from '../../store/contact-counting.ts';
import { listContacts } from '../../store/contacts.ts';
import { saveFolders } from '../../store/folders.ts';
import { writePage } from '../../store/pages.ts';
import { folder, message, startReading, useStore } from '../store/support.ts';

const store = useStore();

it('a mail that is sent while others are counted wakes again, though they were woken for a moment ago', async () => {
  const reading = await startReading(store.db, { folders: ['sentitems'] });
  const { organization, mailboxId, leaseToken } = reading;
  const { organizationId } = organization;
  const folders = [folder('sentitems', { wellKnownName: 'sentitems' })];
  await saveFolders(store.db, organization, { mailboxId, leaseToken, scanId: 'any', folders });
  const send = (id: string, address: string) => {
    const toRecipients = [{ emailAddress: { name: 'Somebody', address } }];
    return writePage(store.db, organization, reading.page([message(id, { toRecipients, ccRecipients: [] })]));
  };
  await startCounting(store.db, organization);
  await send('a', 'ada@x.example');
  await noteCountingWoken(store.db, organization);

  const activities = createContactActivities({
    db: store.db,
    defaults: { airtable: undefined, mailboxes: [] },
    airtable: {},
    ask: async () => undefined,
    log: { info: () => undefined },
  });
  const added = await new MockActivityEnvironment().run(() => activities.addChangeSync({ organizationId }));
  expect(added).toEqual({ syncNo: null });
  expect(await listContacts(store.db, organization, { mailboxes: null, limit: 9 })).toHaveLength(1);

  await send('b', 'bob@x.example');
  expect(await countingIsDue(store.db, organization)).toBe(true);
});
