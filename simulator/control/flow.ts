import { graphTime } from '../mail/clock.ts';
import { hash, seedFor } from '../mail/rng.ts';
import { addMessage, moveMessage, removeMessage, restoreMessage, updateMessage } from '../tenant/changes.ts';
import type { Folder } from '../tenant/folder.ts';
import type { Mailbox } from '../tenant/mailbox.ts';
import { type FlowOptions, type FlowTurn, plannedTurns } from './flow-plan.ts';
import { newMessage } from './new-message.ts';

export type FlowKind = 'arrive' | 'move' | 'read' | 'delete' | 'restore';

/** A flow and what it has done so far. */
export interface FlowReport {
  isRunning: boolean;
  seed: number;
  startedAt: string;
  endsAt: string;
  /** Changes that it makes in all, those that are over included. */
  planned: number;
  done: number;
  byKind: Record<FlowKind, number>;
  /** Turns that found nothing to do, such as a move in an empty mailbox. */
  skipped: number;
}

/** Mail goes to the inbox, but for one message in so many that a rule files elsewhere. */
const FILED_BY_RULE = 8;

/** Lets mail come and go as it does on a working day: each change at its own time, which follows from the seed. */
export class Flow {
  readonly #mailboxes: readonly Mailbox[];
  readonly #seed: number;
  readonly #report: FlowReport;
  readonly #turns: readonly FlowTurn[];
  readonly #deleted: { mailbox: Mailbox; ordinal: number; folder: Folder }[] = [];
  readonly #began = performance.now();
  readonly #endMs: number;
  #taken = 0;
  #timer: NodeJS.Timeout | undefined;
  #draws = 0;

  constructor(mailboxes: readonly Mailbox[], options: FlowOptions) {
    this.#mailboxes = mailboxes;
    this.#seed = seedFor(options.seed ?? 1, 'flow');
    this.#turns = plannedTurns(options);
    const now = Date.now();
    this.#report = {
      isRunning: true,
      seed: options.seed ?? 1,
      startedAt: new Date(now).toISOString(),
      endsAt: new Date(now + options.seconds * 1000).toISOString(),
      planned: this.#turns.length,
      done: 0,
      byKind: { arrive: 0, move: 0, read: 0, delete: 0, restore: 0 },
      skipped: 0,
    };
    this.#endMs = options.seconds * 1000;
    this.#arm();
  }

  report(): FlowReport {
    return structuredClone(this.#report);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#report.isRunning = false;
  }

  /** Wakes up for the next turn, or for the end. */
  #arm(): void {
    const at = this.#turns[this.#taken]?.atMs ?? this.#endMs;
    const wait = Math.max(1, Math.ceil(at - (performance.now() - this.#began)));
    this.#timer = setTimeout(() => this.#wake(), wait).unref();
  }

  #wake(): void {
    const elapsed = performance.now() - this.#began;
    for (let turn; (turn = this.#turns[this.#taken]) && turn.atMs <= elapsed; this.#taken++) this.#take(turn);
    if (this.#taken === this.#turns.length && elapsed >= this.#endMs) this.stop();
    else this.#arm();
  }

  #take({ kind }: FlowTurn): void {
    const mailbox = this.#pick(this.#mailboxes);
    if (!mailbox || !this.#do(kind, mailbox)) {
      this.#report.skipped++;
      return;
    }
    this.#report.byKind[kind]++;
    this.#report.done++;
  }

  #do(kind: FlowKind, mailbox: Mailbox): boolean {
    switch (kind) {
      case 'arrive':
        return this.#arrive(mailbox);
      case 'restore':
        return this.#restore();
      case 'move':
      case 'read':
      case 'delete':
        return this.#change(kind, mailbox);
    }
  }

  #arrive(mailbox: Mailbox): boolean {
    const isFiled = this.#draw() % FILED_BY_RULE === 0;
    const folder = isFiled ? this.#pick(mailbox.visibleFolders()) : mailbox.folderByName('inbox');
    if (!folder) return false;
    const number = this.#draw();
    const received = graphTime(Math.floor(Date.now() / 1000));
    const members = {
      subject: `Arrival ${number}`,
      receivedDateTime: received,
      sentDateTime: received,
      internetMessageId: `<flow.${this.#report.seed}.${this.#report.done}.${number}@quay.example>`,
    };
    addMessage(mailbox, folder, newMessage(members, [], {}));
    return true;
  }

  #change(kind: 'move' | 'read' | 'delete', mailbox: Mailbox): boolean {
    const folders = mailbox.visibleFolders();
    const source = this.#pick(folders.filter((folder) => mailbox.count(folder) > 0));
    const ordinal = source && this.#pick(mailbox.order(source));
    if (!source || ordinal === undefined) return false;
    if (kind === 'read') {
      updateMessage(mailbox, ordinal, { isRead: !mailbox.isRead(ordinal) }, Math.floor(Date.now() / 1000));
    } else if (kind === 'delete') {
      removeMessage(mailbox, ordinal);
      this.#deleted.push({ mailbox, ordinal, folder: source });
    } else {
      const target = this.#pick(folders.filter((folder) => folder !== source));
      if (!target) return false;
      moveMessage(mailbox, ordinal, target);
    }
    return true;
  }

  /** Brings one of those back that the flow deleted, to where it was or to the inbox. */
  #restore(): boolean {
    const [deleted] = this.#deleted.splice(this.#draw() % Math.max(1, this.#deleted.length), 1);
    if (!deleted) return false;
    const { mailbox, ordinal, folder } = deleted;
    const target = folder.isDeleted ? mailbox.folderByName('inbox') : folder;
    if (!target || mailbox.folderOf(ordinal)) return false;
    restoreMessage(mailbox, ordinal, target);
    return true;
  }

  #draw(): number {
    return hash(this.#seed, this.#draws++);
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#draw() % list.length];
  }
}
