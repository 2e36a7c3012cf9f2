import { setTimeout as delay } from 'node:timers/promises';
import { JOINED_WITHIN_MS } from '../model/session.ts';
import { dropHints, finishWork, skipMailbox, wantDelta, type LiveWork } from '../store/live-work.ts';
import { lookUpNamed } from '../store/named-messages.ts';
import { readDelta, type DeltaEnd } from './delta-round.ts';
import type { ReadingContext } from './folder-reader.ts';
import { joinedWork, type Joining } from './joining.ts';
import { liveReading, type LiveReading } from './live-reading.ts';
import { mailboxRefusal } from './mailbox-refusal.ts';
import { markAsRead } from './marking-as-read.ts';
import { readNamed, type NamedRead } from './named-read.ts';

/** How a mailbox is read for a session. */
export interface LiveSettings extends Joining {
  /** Messages named that are read by id; of more, the delta tells. */
  readonly namedAtMost: number;
  /** How long a delta round reads before what was named meanwhile has its turn, ms. */
  readonly turnMs: number;
}

const LIVE_SETTINGS: LiveSettings = { joinMs: 200, joinMaxMs: JOINED_WITHIN_MS, namedAtMost: 10, turnMs: 10_000 };

/** How long after it was named a message may not be there yet, ms. Later it is for the delta to tell. */
const NOT_YET_MS = 1_000;
/** Messages read by id between two writes. */
const STRETCH = 30;

/**
 * Does what the organization's session wants of a mailbox: reads the messages that notifications named, few by id and many
 * by a delta round, and what a sweep has found changed. Ends when nothing is left, for whoever writes a hint asks no
 * reader while others wait.
 *
 * Nothing is lost wherever it is interrupted: a hint goes when what it names is stored, the wish for a delta round when all
 * folders have ended one that began after it. A wish that cannot be met now, because a folder fails or is a scan's, stays
 * for the next sweep.
 * @param afterTurn called when some of it was stored
 * @returns false: there is more to do, and time is up
 * @throws {GraphError} of a kind that another attempt, or a person, may mend
 */
export async function readLive(
  context: ReadingContext,
  {
    givesUp,
    afterTurn,
    ...asked
  }: Pick<LiveReading, 'givesUp'> & Partial<LiveSettings> & { readonly afterTurn?: () => void },
): Promise<boolean> {
  const settings = { ...LIVE_SETTINGS, ...asked };
  const { db, organization, mailbox, signal } = context;
  const name = { organizationId: organization.organizationId, mailboxId: mailbox.id };
  const soFar: SoFar = { delta: undefined, forRound: new Set() };
  const toMark = new Set<string>();
  for (;;) {
    const work = await joinedWork(context, settings);
    if (!work) {
      await dropHints(db, name);
      return true;
    }
    const isDelta = work.deltaWantedAt !== null && soFar.delta !== 'partly';
    if (work.hints.length === 0 && !isDelta && toMark.size === 0) return true;
    try {
      const live = liveReading(context, work.session, { toMark, givesUp });
      const pauseMs = await takeTurn(live, work, settings, soFar);
      afterTurn?.();
      if (pauseMs > 0) await delay(pauseMs, undefined, { signal });
    } catch (error) {
      const reason = mailboxRefusal(error);
      if (!reason) throw error;
      await skipMailbox(db, organization, { ...name, sessionNo: work.session.sessionNo, reason });
      return true;
    }
    if (context.timeIsUp()) return false;
  }
}

/** What the turns of one slice have come to. */
interface SoFar {
  /** How the delta round ended, or the latest part of it. */
  delta: DeltaEnd | undefined;
  /** Named messages that only a delta round brings. */
  readonly forRound: Set<string>;
}

/** Reads what was named, as far as that is few, then a part of the delta round. @returns how long to wait for the next */
async function takeTurn(live: LiveReading, work: LiveWork, settings: LiveSettings, soFar: SoFar): Promise<number> {
  const { db, mailbox } = live.context;
  const { session, hints } = work;
  const { forRound } = soFar;
  const done = { session, mailboxId: mailbox.id };
  let { lastNo, deltaWantedAt } = work;
  let pauseMs = 0;
  // While a long round goes on, or cannot be ended now, whatever was named is read by id.
  const byName = hints.length <= settings.namedAtMost || soFar.delta === 'unfinished' || soFar.delta === 'partly';
  if (byName && hints.length > 0) {
    const named = hints.map(({ messageId }) => messageId).filter((id) => !forRound.has(id));
    const { missing, ...read } = await readAllNamed(live, named);
    for (const id of read.forRound) forRound.add(id);
    await markAsRead(live, settings.turnMs);
    const notYet = hints.filter(({ messageId, ageMs }) => missing.has(messageId) && ageMs < NOT_YET_MS);
    pauseMs = Math.max(0, ...notYet.map(({ ageMs }) => NOT_YET_MS - ageMs));
    const waits = (id: string): boolean => forRound.has(id) && soFar.delta !== 'partly';
    const over = hints.filter((hint) => !waits(hint.messageId) && !notYet.includes(hint));
    if (forRound.size > 0) deltaWantedAt = await wanted(live);
    lastNo = await finishWork(db, live.context.organization, { ...done, lastNo, hintNos: over.map(numberOf) });
  }
  if (!byName) deltaWantedAt = await wanted(live);
  if (deltaWantedAt === null || soFar.delta === 'partly') {
    await markAsRead(live, settings.turnMs);
    return pauseMs;
  }
  await takeDelta(live, { ...work, lastNo, deltaWantedAt }, settings, soFar);
  return 0;
}

const numberOf = ({ hintNo }: { readonly hintNo: number }): number => hintNo;

const wanted = async ({ context, session }: LiveReading): Promise<string | null> =>
  (await wantDelta(context.db, session.sessionNo, context.mailbox.id)) ?? null;

/** Reads a part of the delta round; at its end, what was named and did not come is read by id. */
async function takeDelta(
  live: LiveReading,
  { session, hints, lastNo, deltaWantedAt: wantedAt }: LiveWork & { readonly deltaWantedAt: string },
  { turnMs }: LiveSettings,
  soFar: SoFar,
): Promise<void> {
  const { db, organization, mailbox } = live.context;
  const done = { session, mailboxId: mailbox.id, lastNo };
  try {
    soFar.delta = await readDelta(live, { wantedAt, turnMs });
  } catch (error) {
    // Interrupted, mostly by a hint: what has been stored counts, and is new no more.
    await finishWork(db, organization, { ...done, hintNos: [] }).catch(() => undefined);
    throw error;
  }
  await markAsRead(live, turnMs);
  if (soFar.delta === 'unfinished') {
    await finishWork(db, organization, { ...done, hintNos: [] });
    return;
  }
  const ids = hints.map(({ messageId }) => messageId);
  const { messages: stored } = await lookUpNamed(db, organization, { mailboxId: mailbox.id, ids, folderIds: [] });
  await readAllNamed(
    live,
    ids.filter((id) => !stored.has(id)),
    { planned: true },
  );
  await markAsRead(live, turnMs);
  soFar.forRound.clear();
  const isWhole = soFar.delta === 'finished';
  await finishWork(db, organization, { ...done, hintNos: hints.map(numberOf), ...(isWhole && { delta: wantedAt }) });
}

/** However many there are. */
async function readAllNamed(
  live: LiveReading,
  ids: readonly string[],
  options: Parameters<typeof readNamed>[2] = {},
): Promise<NamedRead> {
  const read = { missing: new Set<string>(), forRound: new Set<string>() };
  for (let at = 0; at < ids.length; at += STRETCH) {
    const { missing, forRound } = await readNamed(live, ids.slice(at, at + STRETCH), options);
    for (const id of missing) read.missing.add(id);
    for (const id of forRound) read.forRound.add(id);
  }
  return read;
}
