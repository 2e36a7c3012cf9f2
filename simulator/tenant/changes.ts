import type { Flavour } from '../mail/generator.ts';
import { graphTime } from '../mail/clock.ts';
import type { JsonObject } from '../mail/bytes.ts';
import { type MessageRecord, PLACED_MEMBERS } from '../mail/record.ts';
import { shapeOf } from '../mail/shape.ts';
import type { Folder, FolderChange } from './folder.ts';
import type { Entry, Mailbox } from './mailbox.ts';

/**
 * What happens to mail while it is being read: arrivals, changes, moves and deletions, of messages and of folders.
 * Each is noted in the change lists of the folders concerned, from which delta rounds are answered.
 */

/** Puts a new message into a folder; returns its ordinal. */
export function addMessage(mailbox: Mailbox, folder: Folder, record: MessageRecord): number {
  const ordinal = mailbox.nextOrdinal++;
  mailbox.order(folder);
  mailbox.entries.set(ordinal, { folder, moves: 0, version: 0, record });
  arrive(mailbox, folder, ordinal);
  mailbox.onChange?.({ kind: 'arrived', ordinal, folder });
  return ordinal;
}

/**
 * Changes members of a message. A change of nothing but `isRead` is told by delta as such and leaves
 * `lastModifiedDateTime` alone; any other sets it to `at` (seconds since 1970). `content` are its new attachments, if any.
 */
export function updateMessage(
  mailbox: Mailbox,
  ordinal: number,
  patch: JsonObject,
  at: number,
  content: Partial<Pick<MessageRecord, 'attachments' | 'nextAttachment'>> = {},
): void {
  const folder = placeOf(mailbox, ordinal);
  const isReadOnly = Object.keys(patch).every((member) => member === 'isRead');
  const { mime, ...record } = recordOf(mailbox, ordinal);
  const properties: JsonObject = {
    ...record.properties,
    ...(isReadOnly ? {} : { lastModifiedDateTime: graphTime(at) }),
    ...withoutPlaced(patch),
  };
  mailbox.order(folder);
  takeOut(mailbox, folder, ordinal);
  const entry = entryOf(mailbox, ordinal);
  // The text that a message was read from no longer holds its attachments when they change; it is composed anew then.
  const text = mime && !content.attachments ? { mime } : {};
  entry.record = { ...record, ...text, ...content, properties };
  entry.version++;
  putIn(mailbox, folder, ordinal);
  note(mailbox, folder, ordinal, isReadOnly ? 'read' : 'updated', {
    members: isReadOnly ? ['isRead'] : ['lastModifiedDateTime', ...Object.keys(patch)],
  });
  mailbox.onChange?.({ kind: isReadOnly ? 'read' : 'changed', ordinal, folder });
}

/** Moves a message to another folder: its immutable id stays, its default id changes. */
export function moveMessage(mailbox: Mailbox, ordinal: number, target: Folder): void {
  const source = placeOf(mailbox, ordinal);
  if (source === target) return;
  mailbox.order(target);
  const entryId = depart(mailbox, source, ordinal);
  place(mailbox, ordinal, target);
  mailbox.onChange?.({ kind: 'moved', ordinal, folder: target, left: { folder: source, entryId } });
}

/** Deletes a message for good. */
export function removeMessage(mailbox: Mailbox, ordinal: number): void {
  const folder = placeOf(mailbox, ordinal);
  const entryId = depart(mailbox, folder, ordinal);
  entryOf(mailbox, ordinal).folder = undefined;
  mailbox.onChange?.({ kind: 'deleted', ordinal, folder, left: { folder, entryId } });
}

/** Brings a deleted message back: its immutable id is the old one, its default id is new. */
export function restoreMessage(mailbox: Mailbox, ordinal: number, target: Folder): void {
  if (mailbox.folderOf(ordinal)) throw new RangeError(`Message ${ordinal} of mailbox ${mailbox.index} is not deleted`);
  mailbox.order(target);
  place(mailbox, ordinal, target);
  mailbox.onChange?.({ kind: 'restored', ordinal, folder: target });
}

/** Makes an empty folder below another. */
export function createFolder(mailbox: Mailbox, parent: Folder, displayName: string, isHidden = false): Folder {
  const folder = emptyFolder(mailbox.ids.folder(mailbox.folders.length), mailbox.folders.length, displayName, parent);
  folder.isHidden = isHidden;
  mailbox.register(folder);
  touch(mailbox, folder);
  touch(mailbox, parent);
  return folder;
}

/** Makes a chain of empty folders, each inside the one before, and a row of them side by side. */
export function createTree(mailbox: Mailbox, parent: Folder, { deep, wide }: { deep: number; wide: number }): Folder[] {
  const made: Folder[] = [];
  let above = parent;
  for (let level = 1; level <= deep; level++) {
    above = createFolder(mailbox, above, `Level ${level}`);
    made.push(above);
  }
  for (let number = 1; number <= wide; number++) made.push(createFolder(mailbox, parent, `Shelf ${number}`));
  return made;
}

/** Gives a folder another name or another parent. */
export function changeFolder(
  mailbox: Mailbox,
  folder: Folder,
  change: { displayName?: string; parent?: Folder },
): void {
  const before = folder.parent;
  folder.displayName = change.displayName ?? folder.displayName;
  folder.parent = change.parent ?? folder.parent;
  mailbox.restructured();
  for (const touched of new Set([folder, before, folder.parent])) if (touched) touch(mailbox, touched);
}

/** Deletes a folder with the folders and messages in it. */
export function removeFolder(mailbox: Mailbox, folder: Folder): void {
  for (const child of mailbox.children(folder, true)) removeFolder(mailbox, child);
  for (const ordinal of [...mailbox.order(folder)]) removeMessage(mailbox, ordinal);
  folder.isDeleted = true;
  mailbox.restructured();
  touch(mailbox, folder);
  if (folder.parent) touch(mailbox, folder.parent);
}

/** A folder of nothing. */
export function emptyFolder(id: string, number: number, displayName: string, parent: Folder | undefined): Folder {
  const flavour: Flavour = 'received';
  return {
    id,
    number,
    displayName,
    parent,
    flavour,
    wellKnownName: undefined,
    isHidden: false,
    search: undefined,
    run: { seed: 0, first: 0, count: 0, newest: 0, span: 0, flavour, language: 0, owner: '' },
    order: undefined,
    stored: [],
    unread: undefined,
    changes: [],
    changedAt: 0,
    version: 0,
    generation: 0,
    isDeleted: false,
  };
}

/** The content of a message as a record, made from the generated one where it is none yet. */
function recordOf(mailbox: Mailbox, ordinal: number): MessageRecord {
  const entry = mailbox.entries.get(ordinal);
  if (entry?.record) return entry.record;
  const properties = mailbox.message(ordinal, placeOf(mailbox, ordinal), shapeOf({ immutableIds: true }));
  return { properties: withoutPlaced(properties), attachments: mailbox.attachments(ordinal) };
}

function withoutPlaced(properties: JsonObject): JsonObject {
  const rest = { ...properties };
  for (const member of PLACED_MEMBERS) delete rest[member];
  return rest;
}

function placeOf(mailbox: Mailbox, ordinal: number): Folder {
  const folder = mailbox.folderOf(ordinal);
  if (!folder) throw new RangeError(`Message ${ordinal} of mailbox ${mailbox.index} is deleted`);
  return folder;
}

function entryOf(mailbox: Mailbox, ordinal: number): Entry {
  let entry = mailbox.entries.get(ordinal);
  if (!entry) {
    entry = { folder: mailbox.homeOf(ordinal), moves: 0, version: 0, record: undefined };
    mailbox.entries.set(ordinal, entry);
  }
  return entry;
}

/** Puts a message that has left its folder into another. */
function place(mailbox: Mailbox, ordinal: number, target: Folder): void {
  const entry = entryOf(mailbox, ordinal);
  entry.folder = target;
  entry.moves++;
  entry.version++;
  arrive(mailbox, target, ordinal);
}

function arrive(mailbox: Mailbox, folder: Folder, ordinal: number): void {
  putIn(mailbox, folder, ordinal);
  note(mailbox, folder, ordinal, 'created');
}

/** Takes a message out of its folder; the default id that it had there. */
function depart(mailbox: Mailbox, folder: Folder, ordinal: number): string {
  mailbox.order(folder);
  const entryId = mailbox.idOf(ordinal, false);
  takeOut(mailbox, folder, ordinal);
  note(mailbox, folder, ordinal, 'removed', { entryId });
  return entryId;
}

function putIn(mailbox: Mailbox, folder: Folder, ordinal: number): void {
  const order = folder.order as number[];
  order.splice(positionOf(mailbox, order, ordinal), 0, ordinal);
  if (folder.unread !== undefined && !mailbox.isRead(ordinal)) folder.unread++;
}

function takeOut(mailbox: Mailbox, folder: Folder, ordinal: number): void {
  const order = folder.order as number[];
  order.splice(positionOf(mailbox, order, ordinal), 1);
  if (folder.unread !== undefined && !mailbox.isRead(ordinal)) folder.unread--;
}

/** The first position whose message does not come before `ordinal`. */
function positionOf(mailbox: Mailbox, order: readonly number[], ordinal: number): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (mailbox.compare(order[middle] as number, ordinal) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function note(
  mailbox: Mailbox,
  folder: Folder,
  ordinal: number,
  kind: FolderChange['kind'],
  more: Partial<Pick<FolderChange, 'entryId' | 'members'>> = {},
): void {
  touch(mailbox, folder);
  folder.changes.push({ sequence: mailbox.sequence, ordinal, kind, entryId: mailbox.idOf(ordinal, false), ...more });
}

/** Notes that a folder or its counters changed. */
function touch(mailbox: Mailbox, folder: Folder): void {
  folder.changedAt = ++mailbox.sequence;
  folder.version++;
}
