import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContentFaults, loadItems } from '../../activities/delivery-items.ts';
import { openFolder } from '../../destinations/folder.ts';
import type { Item } from '../../destinations/sender.ts';
import type { DestinationFilters } from '../../model/destination-filters.ts';
import { withDefaults, type KindSettings } from '../../model/destination.ts';
import { toQueueItem } from '../../model/queue-item.ts';
import { toUtilityPayload } from '../../model/utility-payload.ts';
import { claimDeliveries } from '../../store/deliveries.ts';
import { createDestination, type Destination } from '../../store/destinations.ts';
import { unique } from '../store/support.ts';
import { DONE, attachedMailOn } from './attached-mail.ts';
import { useMailboxes } from './stage.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const MAIL = { kind: 'item', name: 'Re: offer', item: { subject: 'Re: offer' } };
const CONTACT = {
  ...{ kind: 'item', name: 'Ada', item: {} },
  mime: base64('BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nEND:VCARD\r\n'),
};
const MAILS = { attachmentType: ['.eml', 'message/rfc822'] };

describe('a mail in a mail, of no type that Graph says,', () => {
  const stage = useMailboxes({ mailboxes: 12, messagesPerMailbox: 1, folders: 1, attachments: { share: 0 } });
  const { arrive } = attachedMailOn(stage);
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'outhaul-items-'));
  });
  afterEach(async () => {
    await stage.store.sql('DELETE FROM outhaul.deliveries');
    await stage.store.sql('DELETE FROM outhaul.destinations');
    await rm(directory, { recursive: true, force: true });
  });

  const to = (settings: KindSettings): Promise<Destination> =>
    createDestination(stage.store.db, stage.organization, { ...settings, name: unique('to'), starts: 'now' });
  const list = (filters: DestinationFilters = {}) =>
    to({ kind: 'redis_list', settings: withDefaults('redis_list', { url: 'redis://redis.example', filters }) });
  const folder = () => to({ kind: 'folder', settings: withDefaults('folder', { directory }) });
  const utility = (filters: DestinationFilters) =>
    to({ kind: 'utility', settings: withDefaults('utility', { endpoint: 'https://utility.example', filters }) });

  /** A message with these attachments arrives, and is scanned. */
  async function scanned(...attachments: readonly object[]): Promise<void> {
    const mailbox = stage.ownMailbox();
    arrive(mailbox, attachments);
    expect(await stage.read(mailbox, (await stage.addScan()).scanNo)).toMatchObject(DONE);
  }

  /** What a destination is owed of messages with attachments, ready to be sent. */
  async function itemsFor(destination: Destination): Promise<Item[]> {
    const { db } = stage.store;
    const { destinationNo } = destination;
    await stage.store.sql('UPDATE outhaul.deliveries SET ordered = false');
    const deliveries = await claimDeliveries(db, { destinationNo, token: 'token', seconds: 60, limit: 100 });
    const options = { db, organization: stage.organization, destination, blobs: stage.blobs.of(stage.organization) };
    const items: Item[] = [];
    for await (const group of await loadItems(options, deliveries, new ContentFaults())) {
      for (const each of group) if ('item' in each && each.item.message.attachments.length > 0) items.push(each.item);
    }
    return items;
  }

  it('is let through by a filter by its type, and nothing else is', async () => {
    const [lists, utilities] = [await list(MAILS), await utility(MAILS)];
    const contacts = await list({ attachmentType: ['.vcf'] });
    await scanned(MAIL, CONTACT, { kind: 'file', name: 'Re: offer.pdf', bytes: 10 });
    const names = (items: readonly Item[]) =>
      items.map((each) => each.attachments.map(({ metadata }) => metadata.name));
    expect(names(await itemsFor(lists))).toEqual([['Re: offer.eml']]);
    expect(names(await itemsFor(utilities))).toEqual([['Re: offer.eml']]);
    expect(names(await itemsFor(contacts))).toEqual([['Ada.vcf']]);
  });

  it('has its type and extension in a Redis list', async () => {
    const destination = await list();
    await scanned(MAIL, CONTACT);
    const queued = (await itemsFor(destination)).flatMap(({ message, attachments }) =>
      attachments.map(({ metadata: attachment, bytes }) =>
        toQueueItem({ taskId: 't', message, attachment, content: '', bytes, createdAt: '2025-01-19T10:30:00Z' }),
      ),
    );
    expect(queued.map((each) => [each.attachment_filename, each.attachment_mime_type])).toEqual([
      ['Re: offer.eml', 'message/rfc822'],
      ['Ada.vcf', 'text/vcard'],
    ]);
  });

  it('has them in what a utility gets, with its content or without', async () => {
    const destination = await utility(MAILS);
    await scanned(MAIL, CONTACT);
    const payloads = (await itemsFor(destination)).map(({ message, attachments }) =>
      toUtilityPayload(
        message,
        attachments.map(({ metadata }) => ({ metadata, content: '' })),
      ),
    );
    const told = (entries: readonly { readonly name: string; readonly content_type: string }[] = []) =>
      entries.map(({ name, content_type: type }) => [name, type]);
    expect(payloads).toHaveLength(1);
    expect(told(payloads[0]?.attachments)).toEqual([['Re: offer.eml', 'message/rfc822']]);
    expect(told(payloads[0]?.attachment_metadata)).toEqual([
      ['Re: offer.eml', 'message/rfc822'],
      ['Ada.vcf', 'text/vcard'],
    ]);
  });

  it('is a file with its extension in a folder', async () => {
    const destination = await folder();
    await scanned(MAIL, CONTACT);
    const items = await itemsFor(destination);
    const sender = openFolder({ directory });
    for await (const outcome of sender.send(Readable.from(items), AbortSignal.timeout(30_000))) {
      expect(outcome).toMatchObject({ status: 'accepted' });
    }
    await sender.close();
    const files = await readdir(directory, { recursive: true, withFileTypes: true });
    const names = files.filter((file) => file.isFile()).map(({ name }) => name.replace(/-[0-9a-f]{12}\./, '.'));
    expect(names.sort()).toEqual(['Ada.vcf', 'Re_ offer.eml']);
  });
});
