import { matchesAttachment, mayNeedBytes, needsBytes, owedOf } from '../model/destination-filters.ts';
import { KIND_TRAITS } from '../model/destination.ts';
import { attachmentsOfEmails, type StoredAttachment } from '../store/attachment-lookup.ts';
import { attachmentReads, wantAttachments, type AttachmentRead } from '../store/attachment-reads.ts';
import { transaction } from '../store/database.ts';
import { destinationChanges, type Destination } from '../store/destinations.ts';
import { releaseWaiting, waitingMessages, type NowOwed, type WaitingMessage } from '../store/owing.ts';
import type { ReadingContext } from './folder-reader.ts';

export type ReleasingContext = Pick<ReadingContext, 'db' | 'organization' | 'mailbox' | 'leaseToken' | 'outbox'>;

/** Messages looked at in one go. */
const LOOKED_AT = 500;

/**
 * Of the messages of the mailbox that wait for their attachments, those after and up to these numbers: those whose
 * attachments nobody has read yet are wanted, those of which all is known are released.
 */
export async function attendWaiting(
  context: ReleasingContext,
  { after, until }: { readonly after: number; readonly until: number },
): Promise<void> {
  const { db, organization, mailbox } = context;
  for (let last = after; last < until;) {
    const page = { mailboxId: mailbox.id, after: last, limit: LOOKED_AT };
    const waiting = await waitingMessages(db, organization, page);
    last = waiting.at(-1)?.emailNo ?? Infinity;
    await release(
      context,
      waiting.filter(({ emailNo }) => emailNo <= until),
    );
  }
}

/**
 * Messages that have waited for their attachments are owed now, where these are stored, or known not to come; where bytes
 * were left out that one of the destinations needs after all, they are wanted. Those of a draft are listed anew once it is
 * sent: they may have changed since they were listed.
 *
 * Whatever is released may be so once more: what a crash has prevented the next look does.
 */
export async function release(context: ReleasingContext, waiting: readonly WaitingMessage[]): Promise<void> {
  if (waiting.length === 0) return;
  const { db, organization, mailbox, leaseToken, outbox } = context;
  const emailNos = waiting.map(({ emailNo }) => emailNo);
  const [reads, attachments, destinations] = await Promise.all([
    attachmentReads(db, organization, emailNos),
    attachmentsOfEmails(db, organization, emailNos),
    destinationsNow(context, waiting),
  ]);
  const { owed, wanted } = settled(waiting, { reads, attachments, destinations });
  const held = { mailboxId: mailbox.id, leaseToken };
  for (const again of [false, true]) {
    const messageIds = wanted.filter((message) => message.again === again).map(({ messageId }) => messageId);
    if (messageIds.length > 0) await wantAttachments(db, organization, { ...held, messageIds, again });
  }
  if (owed.length === 0) return;
  outbox.wakes(await transaction(db, (client) => releaseWaiting(client, owed)));
}

/**
 * The destinations as they are since the messages were found to wait: once one is released there is nothing left of it that
 * a filter could let through which was widened a moment ago, for a replay.
 */
async function destinationsNow(
  { db, outbox }: Pick<ReleasingContext, 'db' | 'outbox'>,
  waiting: readonly WaitingMessage[],
): Promise<readonly Destination[]> {
  const nos = new Set(waiting.flatMap(({ destinationNos }) => destinationNos));
  const [known, changes] = await Promise.all([outbox.destinations(), destinationChanges(db, [...nos])]);
  const byNo = new Map(known.map(({ destinationNo, changedAt }) => [destinationNo, changedAt]));
  const isKnown = changes.every(({ destinationNo, changedAt }) => byNo.get(destinationNo) === changedAt);
  return isKnown ? known : outbox.renewed(known);
}

interface Known {
  readonly reads: Awaited<ReturnType<typeof attachmentReads>>;
  readonly attachments: readonly StoredAttachment[];
  readonly destinations: readonly Destination[];
}

/** What is owed now, and of which messages attachments are wanted, for the first time or again. */
function settled(
  waiting: readonly WaitingMessage[],
  { reads, attachments, destinations }: Known,
): {
  readonly owed: readonly NowOwed[];
  readonly wanted: readonly { readonly messageId: string; readonly again: boolean }[];
} {
  const readOf = new Map(reads.map((read) => [read.emailNo, read]));
  const byNo = new Map(destinations.map((destination) => [destination.destinationNo, destination]));
  const byEmail = new Map<number, StoredAttachment[]>();
  for (const one of attachments) byEmail.set(one.emailNo, [...(byEmail.get(one.emailNo) ?? []), one]);
  const owed: NowOwed[] = [];
  const wanted: { messageId: string; again: boolean }[] = [];
  for (const { emailNo, messageId, destinationNos } of waiting) {
    const read = readOf.get(emailNo);
    const own = byEmail.get(emailNo) ?? [];
    // One that is not known here was made, or removed, a moment ago: upkeep has the reader look again.
    const takers = destinationNos.flatMap((no) => byNo.get(no) ?? []);
    const leftOut = own.filter((attachment) => attachment.state === 'left_out');
    if (!read) wanted.push({ messageId, again: false });
    else if (read.outdated) wanted.push({ messageId, again: true });
    else if (read.state === 'done' && leftOut.some((one) => takers.some((taker) => needsBytes(taker, one)))) {
      wanted.push({ messageId, again: true });
    } else if (read.state === 'done' || read.state === 'quarantined') {
      for (const taker of takers) {
        const unwanted = own.filter((one) => turnsOutUnwanted(taker, one)).map(({ id }) => id);
        owed.push({ destinationNo: taker.destinationNo, emailNo, owed: owedTo(taker, read, own), unwanted });
      }
    }
  }
  return { owed, wanted };
}

/**
 * Attachments are owed if they are stored; or cannot be read, so that nobody misses them unnoticed. Without the list a
 * destination that may need some cannot be served at all.
 */
function owedTo(
  taker: Destination,
  { state, reason }: AttachmentRead,
  attachments: readonly StoredAttachment[],
): NowOwed['owed'] {
  if (state === 'quarantined' && mayNeedBytes(taker)) {
    return { missing: `Graph cannot list its attachments (${reason ?? 'for no reason that it told'})` };
  }
  const known = attachments.map((one) => ({ ...one, unreadable: one.state === 'quarantined' }));
  const owed = owedOf(
    taker,
    KIND_TRAITS[taker.kind].owed === 'attachment'
      ? known.filter((one) => one.state === 'stored' || one.unreadable)
      : known,
  );
  return owed === 'unknown' ? { missing: UNTOLD } : owed;
}

/** An attachment that was owed while nobody could tell of what type it is. */
const turnsOutUnwanted = (taker: Destination, attachment: StoredAttachment): boolean =>
  attachment.state === 'stored' &&
  needsBytes(taker, attachment) &&
  !matchesAttachment(taker.settings.filters, attachment);

const UNTOLD = 'Graph cannot give an attachment of which only the bytes could tell whether the filter lets it through';
