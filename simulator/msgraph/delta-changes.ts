import { jsonBytes } from '../mail/bytes.ts';
import { type Shape, shapeOf } from '../mail/shape.ts';
import type { Folder, FolderChange } from '../tenant/folder.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import type { PageItems } from './pages.ts';
import type { GraphRequest } from './request.ts';
import type { SyncState } from './sync-state.ts';

/** One step of a walk: where it stands, and what the request asks for. */
export interface Walk {
  mailbox: Mailbox;
  folder: Folder;
  state: SyncState;
  size: number;
  shape: Shape;
  faults: GraphRequest['faults'];
}

/** A page's items and, unless it is the last of its round, where the next one starts. */
export interface Page {
  items: PageItems;
  next: Partial<SyncState> | undefined;
}

/** A page of a later round: what the folder's change list holds since the round before began. */
export function laterRoundPage({ mailbox, folder, state, size, shape, faults }: Walk): Page {
  const { since = 0, until, offset = 0 } = state;
  const histories = new Map<number | string, FolderChange[]>();
  for (let at = firstAfter(folder.changes, since); at < folder.changes.length; at++) {
    const change = folder.changes[at] as FolderChange;
    if (change.sequence > until) break;
    const key = shape.immutableIds ? change.ordinal : change.entryId;
    const history = histories.get(key);
    if (history) history.push(change);
    else histories.set(key, [change]);
  }
  const all = [...histories.values()];
  const start = offset - (offset > 0 ? (faults?.overlap(size) ?? 0) : 0);
  const told = all
    .slice(start, start + size)
    .map((history) => ({ ordinal: history[0]?.ordinal ?? 0, ...changeOf(mailbox, folder, history, state, shape) }));
  const shown = told.filter((change) => change.tells === 'message');
  faults?.checkPage({ ordinals: shown.map(({ ordinal }) => ordinal), size: told.length, shape });
  const items = told.map(({ ordinal, ...change }) => itemOf({ mailbox, folder, shape, faults }, ordinal, change));
  return {
    items: [Buffer.from(items.filter((item) => item !== undefined).join(), 'latin1')],
    next: start + size < all.length ? { offset: start + size } : undefined,
  };
}

/** The first change after a change number. */
function firstAfter(changes: readonly FolderChange[], sequence: number): number {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((changes[middle] as FolderChange).sequence <= sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What a later round tells of one message. */
type Told =
  | { tells: 'nothing' }
  | { tells: 'removal'; id: string }
  /** `members`: what changed, where nothing else did and the message was known before. */
  | { tells: 'message'; members: readonly string[] | undefined; isRead: boolean };

/**
 * What a later round tells of one message. Two of Exchange's habits are kept: a message that left and came back is told
 * as removed only, until it changes again; a change of nothing but `isRead` comes as a part of the message. Where it is
 * open whether the client knows the message, because it arrived while the round before went on, it is told as it is.
 */
function changeOf(
  mailbox: Mailbox,
  folder: Folder,
  history: readonly FolderChange[],
  state: SyncState,
  shape: Shape,
): Told {
  const [first] = history;
  const last = history.at(-1);
  if (!first || !last) return { tells: 'nothing' };
  const { ordinal } = last;
  const isOpen = first.sequence <= (state.walked ?? 0);
  const wasHere = first.kind !== 'created';
  const isHere =
    mailbox.folderOf(ordinal) === folder && (shape.immutableIds || mailbox.idOf(ordinal, false) === last.entryId);
  const cameBack = wasHere && !isOpen && last.kind === 'created';
  if (!isHere || cameBack) {
    const isTold = (wasHere || isOpen) && wants(state, 'deleted');
    const id = shape.immutableIds ? mailbox.ids.immutable(ordinal) : last.entryId;
    return isTold ? { tells: 'removal', id } : { tells: 'nothing' };
  }
  if (!wants(state, wasHere ? 'updated' : 'created')) return { tells: 'nothing' };
  if (state.from !== undefined && mailbox.receivedAt(ordinal) < state.from) return { tells: 'nothing' };
  const isChanged = history.every(({ kind }) => kind === 'read' || kind === 'updated');
  return {
    tells: 'message',
    members: isChanged ? [...new Set(history.flatMap(({ members = [] }) => members))] : undefined,
    isRead: history.every(({ kind }) => kind === 'read'),
  };
}

function itemOf(
  { mailbox, folder, shape, faults }: Pick<Walk, 'mailbox' | 'folder' | 'shape' | 'faults'>,
  ordinal: number,
  told: Told,
): string | undefined {
  if (told.tells === 'nothing') return undefined;
  if (told.tells === 'removal') {
    return jsonBytes({ '@odata.type': '#microsoft.graph.message', id: told.id, '@removed': { reason: 'deleted' } });
  }
  const { members } = told;
  const part = told.isRead ? members : members && faults?.isPartial() ? selectedOf(members, shape) : undefined;
  if (!part) return mailbox.render(ordinal, folder, shape);
  const select = [...part, 'parentFolderId'];
  return mailbox.render(ordinal, folder, shapeOf({ ...shape, select }));
}

function selectedOf(members: readonly string[], { selected }: Shape): readonly string[] {
  return selected ? members.filter((member) => selected.has(member)) : members;
}

function wants(state: SyncState, change: 'created' | 'updated' | 'deleted'): boolean {
  return state.changeType === undefined || state.changeType.toLowerCase().split(',').includes(change);
}
