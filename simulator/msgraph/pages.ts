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

/** Makes the items of pages and keeps the most recently used ones, up to a number of bytes. */
export class PageCache {
  readonly #limit: number;
  readonly #pages = new Map<string, Uint8Array>();
  #size = 0;
  #scratch: Buffer = Buffer.allocUnsafeSlow(4 << 20);

  /** `limitBytes` 0 keeps nothing. */
  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  /** The JSON of the messages at `from` to `to` (exclusive) of a view, with commas between. */
  items(view: MessageView, from: number, to: number, shape: Shape): Uint8Array {
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
  render(view: MessageView, ordinals: readonly number[], shape: Shape): Uint8Array {
    let scratch = this.#scratch;
    let end = 0;
    for (const ordinal of ordinals) {
      const json = view.mailbox.render(ordinal, view.folderOf(ordinal), shape);
      if (scratch.length < end + json.length + 1) scratch = this.#grow(end, json.length + 1);
      if (end > 0) scratch[end++] = COMMA;
      end += scratch.write(json, end, 'latin1');
    }
    const items = Buffer.allocUnsafeSlow(end);
    scratch.copy(items, 0, 0, end);
    return items;
  }

  #grow(used: number, more: number): Buffer {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#scratch.length * 2, used + more));
    this.#scratch.copy(larger, 0, 0, used);
    this.#scratch = larger;
    return larger;
  }

  #keep(key: string, items: Uint8Array): void {
    if (items.length > this.#limit) return;
    this.#pages.set(key, items);
    this.#size += items.length;
    for (const [oldest, page] of this.#pages) {
      if (this.#size <= this.#limit) return;
      this.#pages.delete(oldest);
      this.#size -= page.length;
    }
  }
}
