import { ContentError, type Item, type ItemAttachment } from '../destinations/sender.ts';
import { asFile } from '../model/attached-item.ts';
import type { AttachmentMetadata, DeliveredMessage } from '../model/delivered-message.ts';
import { idempotencyKey } from '../model/delivery.ts';
import { KIND_TRAITS } from '../model/destination.ts';
import { directionOf, withContent } from '../model/destination-filters.ts';
import { attachmentsOfEmails, type StoredAttachment } from '../store/attachment-lookup.ts';
import type { BlobRef, BlobStore } from '../store/blobs/blob-store.ts';
import type { Database } from '../store/database.ts';
import { bodiesOf, messagesToDeliver, type MessageToDeliver } from '../store/delivered-messages.ts';
import type { Destination } from '../store/destinations.ts';
import type { Organization } from '../store/organizations.ts';
import type { TakenDelivery } from './delivery-claims.ts';

/** Bytes of bodies that are loaded together, unless one alone is more. */
const BODY_BYTES = 4 << 20;

export interface ItemsOptions {
  readonly db: Database;
  readonly organization: Organization;
  readonly destination: Destination;
  readonly blobs: BlobStore;
}

export interface Sendable {
  readonly delivery: TakenDelivery;
  readonly item: Item;
}

/** A delivery that can be sent, or that lacks something: its message, or the bytes of an attachment. */
export type ToSend =
  Sendable | { readonly delivery: TakenDelivery; readonly lacks: 'message' | 'attachment' | 'bytes' };

export interface ContentFault {
  readonly emailNo: number;
  readonly attachmentId: string;
  readonly error: unknown;
}

/**
 * Why the content of an attachment could not be read, by the delivery that it was read for: the sender says only that it
 * could not.
 */
export class ContentFaults {
  readonly #faults = new Map<number, ContentFault>();

  note(deliveryNo: number, fault: ContentFault): void {
    this.#faults.set(deliveryNo, fault);
  }

  /** Once. */
  take(deliveryNo: number): ContentFault | undefined {
    const fault = this.#faults.get(deliveryNo);
    this.#faults.delete(deliveryNo);
    return fault;
  }
}

/**
 * Makes items of deliveries, in their order, group after group. The first messages are loaded at once, further ones when
 * their turn comes, so that only so many bodies stand in memory; attachments are opened by who sends them.
 */
export async function loadItems(
  options: ItemsOptions,
  deliveries: readonly TakenDelivery[],
  faults: ContentFaults,
): Promise<AsyncIterable<readonly ToSend[]>> {
  const { db, organization, destination } = options;
  const emailNos = [...new Set(deliveries.map(({ emailNo }) => emailNo))];
  const [messages, attachments] = await Promise.all([
    messagesToDeliver(db, organization, emailNos),
    attachmentsOfEmails(db, organization, emailNos),
  ]);
  const loaded: Loaded = {
    messages: new Map(messages.map((message) => [message.emailNo, message])),
    attachments: byEmail(attachments),
  };
  const groups = destination.kind === 'batch' ? [deliveries] : inGroups(deliveries, loaded);
  const bodies = (group: readonly TakenDelivery[] = []): Promise<Map<number, string | null>> =>
    destination.kind === 'batch' || destination.kind === 'folder' || group.length === 0
      ? Promise.resolve(new Map<number, string | null>())
      : bodiesOf(db, organization, [...new Set(group.map(({ emailNo }) => emailNo))]);
  const first = await bodies(groups[0]);
  return (async function* () {
    for (const [index, group] of groups.entries()) {
      const texts = index === 0 ? first : await bodies(group);
      yield inTheirBatch(group.map((delivery) => toSend(options, loaded, { delivery, texts, faults })));
    }
  })();
}

/** Of a batch that was cut before: what can still be sent of it is all of it. */
function inTheirBatch(group: readonly ToSend[]): readonly ToSend[] {
  const batch = group[0]?.delivery.batch;
  if (!batch) return group;
  const size = group.filter((one) => 'item' in one).length;
  return group.map((one) => ('item' in one ? { ...one, item: { ...one.item, batch: { ...batch, size } } } : one));
}

interface Loaded {
  readonly messages: ReadonlyMap<number, MessageToDeliver>;
  readonly attachments: ReadonlyMap<number, readonly StoredAttachment[]>;
}

function byEmail(attachments: readonly StoredAttachment[]): Map<number, StoredAttachment[]> {
  const grouped = new Map<number, StoredAttachment[]>();
  for (const attachment of attachments) {
    const known = grouped.get(attachment.emailNo);
    if (known) known.push(attachment);
    else grouped.set(attachment.emailNo, [attachment]);
  }
  return grouped;
}

/** Neighbours whose bodies may stand in memory together. */
function inGroups(deliveries: readonly TakenDelivery[], { messages }: Loaded): TakenDelivery[][] {
  const groups: TakenDelivery[][] = [];
  let bytes = Infinity;
  let last: number | undefined;
  for (const delivery of deliveries) {
    const more = delivery.emailNo === last ? 0 : (messages.get(delivery.emailNo)?.bodyBytes ?? 0);
    last = delivery.emailNo;
    if (bytes + more > BODY_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    bytes += more;
    groups.at(-1)?.push(delivery);
  }
  return groups;
}

function toSend(
  { destination, blobs }: ItemsOptions,
  { messages, attachments }: Loaded,
  {
    delivery,
    texts,
    faults,
  }: { delivery: TakenDelivery; texts: ReadonlyMap<number, string | null>; faults: ContentFaults },
): ToSend {
  const { deliveryNo, emailNo, attachmentId, replays } = delivery;
  const stored = messages.get(emailNo);
  if (!stored) return { delivery, lacks: 'message' };
  const all = attachments.get(emailNo) ?? [];
  const going = goingAlong(destination, all, attachmentId);
  if (going.some(({ state }) => state === 'wanted')) return { delivery, lacks: 'bytes' };
  const isThere = going.every(({ state }) => state === 'stored');
  if (!isThere || (KIND_TRAITS[destination.kind].owed === 'attachment' && going.length === 0)) {
    return { delivery, lacks: 'attachment' };
  }
  const item: Item = {
    deliveryNo,
    idempotencyKey: idempotencyKey({ destinationId: destination.id, deliveryNo, replays }),
    message: deliveredMessage(stored, texts.get(emailNo) ?? null, all),
    attachments: going.map((attachment) => contentOf(blobs, attachment, deliveryNo, faults)),
  };
  return { delivery, item };
}

/** The attachments whose content a delivery hands over. Links have none. */
function goingAlong(
  destination: Destination,
  all: readonly StoredAttachment[],
  attachmentId: string | null,
): readonly StoredAttachment[] {
  if (attachmentId !== null) return all.filter(({ id }) => id === attachmentId);
  if (destination.kind !== 'utility') return [];
  return withContent(destination.settings.filters, all).filter(({ state }) => state === 'stored' || state === 'wanted');
}

function deliveredMessage(
  { email, mailbox, folderPath, folderName }: MessageToDeliver,
  body: string | null,
  attachments: readonly StoredAttachment[],
): DeliveredMessage {
  const whole = { ...email, body_content: body };
  return {
    email: whole,
    attachments: attachments.map(metadataOf),
    mailbox: mailbox.address ?? mailbox.id,
    folder: folderName ?? folderPath,
    direction: directionOf({ email: whole, mayHaveAttachments: attachments.length > 0, mailbox, folderPath }),
  };
}

function metadataOf(attachment: StoredAttachment): AttachmentMetadata {
  const { id, size, byteSize, isInline } = attachment;
  return { id, ...asFile(attachment), size: size ?? byteSize ?? 0, isInline: isInline ?? false };
}

function contentOf(
  blobs: BlobStore,
  attachment: StoredAttachment,
  deliveryNo: number,
  faults: ContentFaults,
): ItemAttachment {
  const { emailNo, id, sha256, byteSize } = attachment;
  const note = (error: unknown): void => faults.note(deliveryNo, { emailNo, attachmentId: id, error });
  const noted = async <T>(work: (blob: BlobRef) => Promise<T>): Promise<T> => {
    if (sha256 === null || byteSize === null) throw new ContentError('The attachment has no content');
    try {
      return await work({ sha256, size: byteSize });
    } catch (error) {
      note(error);
      throw error;
    }
  };
  return {
    metadata: metadataOf(attachment),
    bytes: byteSize ?? 0,
    open: (signal) => noted(async (blob) => (await blobs.open(blob, { signal })).once('error', note)),
    read: (signal) => noted((blob) => blobs.read(blob, signal)),
  };
}
