import type { Folder } from '../tenant/folder.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import type { Shape } from '../mail/shape.ts';

/** An ordered set of messages that pages are cut from: a folder or a whole mailbox, at one version. */
export interface MessageView {
  mailbox: Mailbox;
  /** Names the set and its version. */
  key: string;
  /** Newest first. */
  order: readonly number[];
  folderOf(ordinal: number): Folder;
}

/** The view of a folder. */
export function folderView(mailbox: Mailbox, folder: Folder): MessageView {
  const { search } = folder;
  const version = search ? search.source.version : folder.version;
  return {
    mailbox,
    key: `${mailbox.index}/${folder.number}/${version}`,
    order: mailbox.order(folder),
    folderOf: search ? (ordinal) => mailbox.folderOf(ordinal) ?? folder : () => folder,
  };
}

/** The view of a whole mailbox: every visible folder, hidden ones and views apart. */
export function mailboxView(mailbox: Mailbox): MessageView {
  return {
    mailbox,
    key: `${mailbox.index}//${mailbox.sequence}`,
    order: mailbox.orderOfAll(),
    folderOf: (ordinal) => mailbox.folderOf(ordinal) ?? mailbox.homeOf(ordinal),
  };
}

const COMMA = 0x2c;
/** Pages are cut into parts of about this size, so that a huge one is never copied as a whole. */
const PART_BYTES = 4 << 20;

/** The JSON of some messages with commas between, in parts that follow each other. */
export type PageItems = readonly Uint8Array[];

/** Makes the items of pages and keeps the most recently used ones, up to a number of bytes. */
export class PageCache {
  readonly #limit: number;
  readonly #pages = new Map<string, PageItems>();
  #size = 0;
  #scratch: Buffer = Buffer.allocUnsafeSlow(PART_BYTES);

  /** `limitBytes` 0 keeps nothing. */
  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  /** The messages at `from` to `to` (exclusive) of a view. */
  items(view: MessageView, from: number, to: number, shape: Shape): PageItems {
    const key = `${view.key}/${from}-${to}/${shape.key}`;
    const known = this.#pages.get(key);
    if (known) {
      this.#pages.delete(key);
      this.#pages.set(key, known);
      return known;
    }
    const items = this.render(view, view.order.slice(from, to), shape);
    this.#keep(key, items);
    return items;
  }

  /** The same for any messages of a view, kept nowhere. */
  render(view: MessageView, ordinals: readonly number[], shape: Shape): PageItems {
    const parts: Uint8Array[] = [];
    let scratch = this.#scratch;
    let end = 0;
    for (const [index, ordinal] of ordinals.entries()) {
      const json = view.mailbox.render(ordinal, view.folderOf(ordinal), shape);
      if (end > 0 && end + json.length + 1 > scratch.length) {
        parts.push(copyOf(scratch, end));
        end = 0;
      }
      if (json.length + 1 > scratch.length) scratch = Buffer.allocUnsafeSlow(json.length + 1);
      if (index > 0) scratch[end++] = COMMA;
      end += scratch.write(json, end, 'latin1');
    }
    if (end > 0) parts.push(copyOf(scratch, end));
    return parts;
  }

  #keep(key: string, items: PageItems): void {
    const size = sizeOf(items);
    if (size > this.#limit / 4) return;
    this.#pages.set(key, items);
    this.#size += size;
    for (const [oldest, page] of this.#pages) {
      if (this.#size <= this.#limit) return;
      this.#pages.delete(oldest);
      this.#size -= sizeOf(page);
    }
  }
}

function copyOf(scratch: Buffer, end: number): Uint8Array {
  const part = Buffer.allocUnsafeSlow(end);
  scratch.copy(part, 0, 0, end);
  return part;
}

function sizeOf(items: PageItems): number {
  return items.reduce((sum, part) => sum + part.length, 0);
}
