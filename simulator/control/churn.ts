import { graphTime } from '../mail/clock.ts';
import { hash } from '../mail/rng.ts';
import {
  addMessage,
  changeFolder,
  createFolder,
  moveMessage,
  removeFolder,
  removeMessage,
  updateMessage,
} from '../tenant/changes.ts';
import type { Folder } from '../tenant/folder.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import { newMessage } from './new-message.ts';

/** A flow of changes to mail. */
export interface ChurnOptions {
  /** A user's id or principal name. Default: every readable mailbox. */
  mailbox?: string;
  /** Changes a second, on average. */
  perSecond: number;
  /** Default 1. The same seed makes the same changes to the same tenant. */
  seed?: number;
  /** Ends by itself after so many changes. */
  changes?: number;
  /** Whether folders are made, renamed, moved and deleted, too; only those that the flow made are deleted. Default false. */
  folders?: boolean;
}

/** What a flow does, and how often in 100. */
const MESSAGE_TURNS = { arrive: 40, read: 20, change: 10, move: 18, vanish: 12 } as const;
const FOLDER_TURNS = { makeFolder: 2, renameFolder: 2, moveFolder: 2, removeFolder: 1 } as const;

export type ChurnKind = keyof typeof MESSAGE_TURNS | keyof typeof FOLDER_TURNS;

/** A flow and what it has done so far. */
export interface ChurnReport {
  id: number;
  isRunning: boolean;
  changes: number;
  byKind: Partial<Record<ChurnKind, number>>;
}

const TICK_MS = 20;
const PAST_DAYS = 1_000;

/** Changes mail while it is read: messages arrive, are read, change, move and vanish, and folders with them. */
export class Churn {
  readonly report: ChurnReport;
  readonly #mailboxes: readonly Mailbox[];
  readonly #options: ChurnOptions;
  readonly #turns: readonly ChurnKind[];
  readonly #own: { mailbox: Mailbox; folder: Folder }[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Seconds since 1970, by the number of the change and not by the clock, so that mail arrives in the same order. */
  #now = 0;
  #draws = 0;

  constructor(id: number, mailboxes: readonly Mailbox[], options: ChurnOptions) {
    this.report = { id, isRunning: true, changes: 0, byKind: {} };
    this.#mailboxes = mailboxes;
    this.#options = options;
    const weights = { ...MESSAGE_TURNS, ...(options.folders ? FOLDER_TURNS : {}) };
    this.#turns = Object.entries(weights).flatMap(([kind, weight]) => Array<ChurnKind>(weight).fill(kind as ChurnKind));
    const began = performance.now();
    const second = Math.floor(Date.now() / 1000);
    let due = 0;
    this.#timer = setInterval(() => {
      const wanted = Math.floor(((performance.now() - began) / 1000) * options.perSecond);
      for (; due < wanted && this.report.isRunning; due++) {
        this.#now = second + Math.floor(due / options.perSecond);
        this.#change();
      }
    }, TICK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.report.isRunning = false;
  }

  /** One change; a kind that finds nothing to do is passed over. */
  #change(): void {
    const mailbox = this.#pick(this.#mailboxes);
    const kind = this.#pick(this.#turns);
    if (!mailbox || !kind || !this.#do(kind, mailbox)) return;
    this.report.byKind[kind] = (this.report.byKind[kind] ?? 0) + 1;
    if (++this.report.changes === this.#options.changes) this.stop();
  }

  #do(kind: ChurnKind, mailbox: Mailbox): boolean {
    switch (kind) {
      case 'arrive':
        return this.#arrive(mailbox);
      case 'makeFolder':
      case 'renameFolder':
      case 'moveFolder':
      case 'removeFolder':
        return this.#changeTree(kind, mailbox);
      case 'read':
      case 'change':
      case 'move':
      case 'vanish':
        return this.#changeMessage(kind, mailbox);
    }
  }

  /** Most mail arrives now; one in eight was written long ago, as imported mail was. */
  #arrive(mailbox: Mailbox): boolean {
    const folder = this.#pick(mailbox.visibleFolders());
    if (!folder) return false;
    const age = this.#draw() % 8 === 0 ? this.#draw() % (PAST_DAYS * 86_400) : 0;
    const received = graphTime(this.#now - age);
    const number = this.#draw();
    const members = {
      subject: `Tide table ${number}`,
      receivedDateTime: received,
      sentDateTime: received,
      internetMessageId: `<tide.${this.#options.seed ?? 1}.${this.report.changes}.${number}@quay.example>`,
    };
    addMessage(mailbox, folder, newMessage(members, [], {}));
    return true;
  }

  #changeMessage(kind: 'read' | 'change' | 'move' | 'vanish', mailbox: Mailbox): boolean {
    const folders = mailbox.visibleFolders();
    const source = this.#pick(folders.filter((folder) => mailbox.count(folder) > 0));
    const ordinal = source && this.#pick(mailbox.order(source));
    if (ordinal === undefined) return false;
    if (kind === 'read') updateMessage(mailbox, ordinal, { isRead: !mailbox.isRead(ordinal) }, this.#now);
    else if (kind === 'change') updateMessage(mailbox, ordinal, { subject: `Changed ${this.#draw()}` }, this.#now);
    else if (kind === 'vanish') removeMessage(mailbox, ordinal);
    else {
      const target = this.#pick(folders.filter((folder) => folder !== source));
      if (!target) return false;
      moveMessage(mailbox, ordinal, target);
    }
    return true;
  }

  #changeTree(kind: 'makeFolder' | 'renameFolder' | 'moveFolder' | 'removeFolder', mailbox: Mailbox): boolean {
    const parent = this.#pick(mailbox.visibleFolders());
    if (!parent) return false;
    if (kind === 'makeFolder') {
      this.#own.push({ mailbox, folder: createFolder(mailbox, parent, `Berth ${this.#draw() % 1000}`) });
      return true;
    }
    const own = this.#pick(this.#own);
    if (!own) return false;
    const { folder } = own;
    if (kind === 'renameFolder') changeFolder(own.mailbox, folder, { displayName: `Berth ${this.#draw() % 1000}` });
    else if (kind === 'removeFolder') {
      removeFolder(own.mailbox, folder);
      this.#own.splice(0, this.#own.length, ...this.#own.filter((each) => !each.folder.isDeleted));
    } else {
      const target = this.#pick(own.mailbox.visibleFolders().filter((each) => !isWithin(each, folder)));
      if (!target) return false;
      changeFolder(own.mailbox, folder, { parent: target });
    }
    return true;
  }

  #draw(): number {
    return hash(this.#options.seed ?? 1, this.#draws++);
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#draw() % list.length];
  }
}

function isWithin(folder: Folder, above: Folder): boolean {
  for (let at: Folder | undefined = folder; at; at = at.parent) if (at === above) return true;
  return false;
}
