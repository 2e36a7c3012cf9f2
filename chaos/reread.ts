import { groupedBy } from './grouped.ts';
import type { PageRequest } from './pages.ts';
import type { Incident } from './recovery.ts';
import type { Event } from './timeline.ts';

/** Pages that were asked for again. */
export interface Rereads {
  /** Asked for again in the same round though they were committed, with when: there should be none. */
  readonly committed: readonly PageRequest[];
  /**
   * Of the pages that a kill cost because they were read and not yet committed, the most for one mailbox and kill. A page
   * that something else may have cost as well is not among them.
   */
  readonly worst: number;
}

/** What became of one page in one round of its folder. */
interface PageLife {
  readonly mailboxId: string;
  /** Begin and end of the round. */
  readonly from: number;
  readonly until: number;
  readonly committedAt: number;
}

/** Where a stored link and a request meet: path and query; of a round's first page, mailbox and folder. */
const keyOfEvent = ({ link, mailboxId, folderId }: Event): string =>
  link === null ? `${mailboxId} ${folderId}` : link.replace(/^https?:\/\/[^/]+/, '');

const FIRST_PAGE = /\/users\/([^/]+)\/mailFolders\/([^/]+)\/messages/;

function keyOfRequest({ target }: PageRequest): string {
  const first = /token=/i.test(target) ? null : FIRST_PAGE.exec(target);
  return first ? `${decodeURIComponent(first[1]!)} ${decodeURIComponent(first[2]!)}` : target;
}

/** The kills that take pages away: of who reads them, and of where they are being stored. */
const COSTLY: ReadonlySet<string> = new Set(['killWorker', 'killPostgres']);

/**
 * Compares what was asked of Graph with what was committed, around each kill.
 *
 * @param deeds everything that was done, kills and what is done at once included
 */
export function rereadsOf(
  deeds: readonly Incident[],
  { events, requests }: { readonly events: readonly Event[]; readonly requests: readonly PageRequest[] },
): Rereads {
  const asked = groupedBy(requests, keyOfRequest);
  const committed: PageRequest[] = [];
  const lost = new Map<string, number>();
  for (const [key, lives] of livesOf(events)) {
    for (const { mailboxId, from, until, committedAt } of lives) {
      const inRound = (asked.get(key) ?? []).filter(({ at }) => at > from && at < until);
      committed.push(...inRound.filter(({ at }) => at > committedAt));
      const before = inRound.filter(({ at }) => at < committedAt);
      const kill = costOf(before, { deeds, committedAt });
      if (kill) lost.set(`${kill.from} ${mailboxId}`, (lost.get(`${kill.from} ${mailboxId}`) ?? 0) + 1);
    }
  }
  return { committed, worst: Math.max(0, ...lost.values()) };
}

/**
 * The kill between two readings of a page; undefined where there is none, or where anything else was done between the
 * page's first request and its commit, for that may be why it was read again.
 */
function costOf(
  requests: readonly PageRequest[],
  { deeds, committedAt }: { readonly deeds: readonly Incident[]; readonly committedAt: number },
): Incident | undefined {
  const first = requests[0];
  if (!first) return undefined;
  const [deed, ...others] = deeds.filter(({ from, to }) => to >= first.at && from <= committedAt);
  if (!deed || others.length > 0 || !COSTLY.has(deed.name)) return undefined;
  const isCaught =
    requests.some(({ at, isRead }) => isRead && at < deed.from) && requests.some(({ at }) => at > deed.from);
  return isCaught ? deed : undefined;
}

/** Every page that was committed, by its key, with the round that it belonged to. */
function livesOf(events: readonly Event[]): Map<string, PageLife[]> {
  const lives = new Map<string, PageLife[]>();
  for (const ofFolder of groupedBy(
    events.filter(({ folderId }) => folderId !== null),
    folderOf,
  ).values()) {
    const rounds = [0, ...ofFolder.filter(({ kind }) => kind === 'round').map(({ at }) => at), Infinity];
    for (const event of ofFolder) {
      if (event.kind !== 'page') continue;
      const next = rounds.findIndex((at) => at > event.at);
      const life = {
        mailboxId: event.mailboxId ?? '',
        from: rounds[next - 1]!,
        until: rounds[next]!,
        committedAt: event.at,
      };
      const key = keyOfEvent(event);
      lives.set(key, [...(lives.get(key) ?? []), life]);
    }
  }
  return lives;
}

const folderOf = ({ mailboxId, folderId }: Event): string => `${mailboxId} ${folderId}`;
