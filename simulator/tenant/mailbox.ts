import { type Bytes, type JsonObject, parseBytes } from '../mail/bytes.ts';
import { type Envelope, type MailGenerator, threadOf } from '../mail/generator.ts';
import { type MailboxIds } from '../mail/ids.ts';
import { type AttachmentRecord, type MessageRecord, receivedAtOf, writeRecord } from '../mail/record.ts';
import type { Shape } from '../mail/shape.ts';
import { type Folder, isHiddenAnywhere, isInTree } from './folder.ts';

/** What is known of a message that is no longer as it was generated, or never was. */
export interface Entry {
  /** Where it lies now; undefined once it is deleted. */
  folder: Folder | undefined;
  moves: number;
  /** Rises with every change; part of the change key. */
  version: number;
  /** Its content, unless that is still the generated one. */
  record: MessageRecord | undefined;
}

/** A change of a message, as whoever listens to its mailbox is told. */
export interface MailChange {
  /** `read` is a change of nothing but `isRead`; `deleted` is for good. */
  kind: 'arrived' | 'changed' | 'read' | 'moved' | 'deleted' | 'restored';
  ordinal: number;
  /** Where it is now; of a deleted one, where it was. */
  folder: Folder;
  /** Where it was, and its default id there; of `moved` and `deleted` only. */
  left?: { folder: Folder; entryId: string };
}

/**
 * One mailbox: its folders and where each message lies. Messages are known by their ordinal, a whole number that never
 * changes. Those below `generated` are made by the generator whenever they are read; only messages that were stored
 * or changed have an entry.
 */
export class Mailbox {
  readonly index: number;
  readonly ids: MailboxIds;
  readonly generator: MailGenerator;
  readonly folders: Folder[];
  readonly entries = new Map<number, Entry>();
  /** Rises with every change in the mailbox. */
  sequence = 0;
  /** The ordinal that the next stored message gets. */
  nextOrdinal: number;
  /** Told of every change of a message, when it is made. */
  onChange: ((change: MailChange) => void) | undefined;
  readonly #byId: Map<string, Folder>;
  /** The folders that generated messages were made for, in the order of their ordinals. */
  readonly #homes: readonly Folder[];
  #children: Map<Folder, Folder[]> | undefined;
  #visible: Folder[] | undefined;
  #all: { sequence: number; order: readonly number[] } | undefined;

  constructor(index: number, ids: MailboxIds, generator: MailGenerator, folders: Folder[]) {
    this.index = index;
    this.ids = ids;
    this.generator = generator;
    this.folders = folders;
    this.nextOrdinal = folders.reduce((end, folder) => Math.max(end, folder.run.first + folder.run.count), 0);
    this.#byId = new Map(folders.map((folder) => [folder.id, folder]));
    this.#homes = folders.filter(({ run }) => run.count > 0);
  }

  /** Puts a new folder into the table. */
  register(folder: Folder): void {
    this.folders.push(folder);
    this.#byId.set(folder.id, folder);
    this.restructured();
  }

  /** Must be called when folders were moved, hidden or deleted. */
  restructured(): void {
    this.#children = undefined;
    this.#visible = undefined;
  }

  folderById(id: string): Folder | undefined {
    const folder = this.#byId.get(id);
    return folder?.isDeleted ? undefined : folder;
  }

  folderByName(wellKnownName: string): Folder | undefined {
    return this.folders.find((folder) => folder.wellKnownName === wellKnownName && !folder.isDeleted);
  }

  /** The folders directly below another, in the order in which they were made. */
  children(parent: Folder, includeHidden: boolean): readonly Folder[] {
    this.#children ??= childrenOf(this.folders);
    const all = this.#children.get(parent) ?? [];
    return includeHidden ? all : all.filter((folder) => !folder.isHidden);
  }

  /** The folders whose messages `/users/{id}/messages` lists: the visible tree, views apart. */
  visibleFolders(): readonly Folder[] {
    this.#visible ??= this.folders.filter(
      (folder) => !folder.isDeleted && !folder.search && isInTree(folder) && !isHiddenAnywhere(folder),
    );
    return this.#visible;
  }

  /** Messages in a folder. */
  count(folder: Folder): number {
    if (folder.search) return this.order(folder).length;
    return folder.order?.length ?? folder.run.count + folder.stored.length;
  }

  /** Unread messages in a folder. */
  unread(folder: Folder): number {
    folder.unread ??= this.order(folder).reduce((unread, ordinal) => unread + (this.isRead(ordinal) ? 0 : 1), 0);
    return folder.unread;
  }

  /** The messages of a folder as ordinals, newest first. */
  order(folder: Folder): readonly number[] {
    if (folder.search) return this.order(folder.search.source).slice(0, 20);
    folder.order ??= this.#firstOrder(folder);
    return folder.order;
  }

  /** The messages of all visible folders together, newest first. */
  orderOfAll(): readonly number[] {
    if (this.#all?.sequence !== this.sequence) {
      const order = this.visibleFolders().flatMap((folder) => this.order(folder));
      const receivedAt = new Float64Array(this.nextOrdinal);
      for (const ordinal of order) receivedAt[ordinal] = this.receivedAt(ordinal);
      order.sort((a, b) => (receivedAt[b] as number) - (receivedAt[a] as number) || a - b);
      this.#all = { sequence: this.sequence, order };
    }
    return this.#all.order;
  }

  /** Whether message `a` comes before `b` in a folder: the newer first, of equal age the one made first. */
  compare = (a: number, b: number): number => this.receivedAt(b) - this.receivedAt(a) || a - b;

  receivedAt(ordinal: number): number {
    const record = this.entries.get(ordinal)?.record;
    if (record) return receivedAtOf(record);
    const { run } = this.homeOf(ordinal);
    return this.generator.receivedAt(run, ordinal - run.first);
  }

  isRead(ordinal: number): boolean {
    const record = this.entries.get(ordinal)?.record;
    if (record) return record.properties.isRead === true;
    const { run } = this.homeOf(ordinal);
    return this.generator.isRead(run, ordinal - run.first);
  }

  /** The attachments of a message, made again for those that are generated. */
  attachments(ordinal: number): readonly AttachmentRecord[] {
    const record = this.entries.get(ordinal)?.record;
    if (record) return record.attachments;
    const { run } = this.homeOf(ordinal);
    return this.generator.attachments(run, ordinal - run.first);
  }

  /** Where a message lies; undefined where it never was or is deleted. */
  folderOf(ordinal: number): Folder | undefined {
    const entry = this.entries.get(ordinal);
    if (entry) return entry.folder;
    return ordinal < this.nextOrdinal ? this.homeOf(ordinal) : undefined;
  }

  /** The folder that a generated message was made for. */
  homeOf(ordinal: number): Folder {
    let low = 0;
    let high = this.#homes.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#homes[middle] as Folder).run.first <= ordinal) low = middle;
      else high = middle - 1;
    }
    const home = this.#homes[low];
    if (!home || ordinal < home.run.first || ordinal >= home.run.first + home.run.count)
      throw new RangeError(`No generated message ${ordinal} in mailbox ${this.index}`);
    return home;
  }

  /** The id of a message in the wanted form. */
  idOf(ordinal: number, immutable: boolean): string {
    if (immutable) return this.ids.immutable(ordinal);
    return this.ids.entry(ordinal, this.folderOf(ordinal)?.number ?? 0, this.entries.get(ordinal)?.moves ?? 0);
  }

  /**
   * Finds a message by either form of its id; undefined where the id is not of this mailbox, the message is deleted,
   * or the default form is older than the message's last move.
   */
  messageById(id: string): number | undefined {
    const parts = this.ids.readMessage(id);
    if (!parts) return undefined;
    const folder = this.folderOf(parts.ordinal);
    if (!folder) return undefined;
    const moves = this.entries.get(parts.ordinal)?.moves ?? 0;
    if (parts.place && (parts.place.folder !== folder.number || parts.place.moves !== moves)) return undefined;
    return parts.ordinal;
  }

  /** Finds a message that is deleted by either form of the id that it had. */
  deletedById(id: string): number | undefined {
    const ordinal = this.ids.readMessage(id)?.ordinal;
    const entry = ordinal === undefined ? undefined : this.entries.get(ordinal);
    return entry && !entry.folder ? ordinal : undefined;
  }

  /** The JSON of a message that lies in `folder`. */
  render(ordinal: number, folder: Folder, shape: Shape): Bytes {
    const { ids } = this;
    const entry = this.entries.get(ordinal);
    const run = entry?.record ? undefined : entry ? this.homeOf(ordinal).run : folder.run;
    const thread = run ? threadOf(run, ordinal - run.first) : ordinal;
    const envelope: Envelope = {
      id: shape.immutableIds ? ids.immutable(ordinal) : ids.entry(ordinal, folder.number, entry?.moves ?? 0),
      changeKey: ids.changeKey(ordinal, entry?.version ?? 0),
      parentFolderId: folder.id,
      conversationId: ids.conversation(thread),
      conversationIndex: ids.conversationIndex(thread),
      webLink: `https://outlook.office365.com/owa/?ItemID=${ids.webItem(ordinal)}&exvsurl=1&viewmodel=ReadMessageItem`,
    };
    if (entry?.record) return writeRecord(entry.record, envelope, shape);
    return this.generator.write(run as NonNullable<typeof run>, ordinal - (run?.first ?? 0), envelope, shape);
  }

  /** A message as an object. */
  message(ordinal: number, folder: Folder, shape: Shape): JsonObject {
    return parseBytes(this.render(ordinal, folder, shape));
  }

  #firstOrder(folder: Folder): number[] {
    const { run } = folder;
    const stored = folder.stored.toSorted(this.compare);
    const order: number[] = [];
    for (let i = 0; i < run.count; i++) {
      const ordinal = run.first + i;
      while (stored[0] !== undefined && this.compare(stored[0], ordinal) < 0) order.push(stored.shift() as number);
      order.push(ordinal);
    }
    return order.concat(stored);
  }
}

function childrenOf(folders: readonly Folder[]): Map<Folder, Folder[]> {
  const children = new Map<Folder, Folder[]>();
  for (const folder of folders) {
    if (!folder.parent || folder.isDeleted) continue;
    const siblings = children.get(folder.parent);
    if (siblings) siblings.push(folder);
    else children.set(folder.parent, [folder]);
  }
  return children;
}
