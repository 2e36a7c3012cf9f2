import type { Delivery, Kind, ListedItem, Outbox } from './outbox.ts';
import type { Receipt } from './receiver-process.ts';

/** What has arrived where mail was handed on to. */
export interface Arrived {
  readonly receipts: readonly Receipt[];
  readonly list: readonly ListedItem[];
  /** SHA-256 of the files. */
  readonly files: readonly string[];
  /**
   * Numbers of dead letters that were tried again: they stand at the end of the line since, and may have arrived in their
   * old place, unanswered.
   */
  readonly triedAgain: ReadonlySet<number>;
}

/** What became of all that was owed. */
export interface HandedOn {
  readonly owed: number;
  readonly delivered: number;
  readonly deadLetters: number;
  /** Neither delivered nor dead. */
  readonly undecided: number;
  /** Messages and attachments that are stored and owed to nobody. */
  readonly unowed: number;
  /** Delivered, as the store has it, and not there. */
  readonly lost: number;
  /** There with other bytes than were stored. */
  readonly altered: number;
  /** Came more than once, beside a kill or an answer that was lost, and under the same key. */
  readonly again: number;
  /** Came under more than one key; those of a batch are the batch's. */
  readonly twoKeys: number;
  /** Came after what was owed later, though it held nobody up for as long as it may. */
  readonly outOfOrder: number;
}

/** As `HOLD_SECONDS` of the model: for so long what waits for its attachments holds up what came after it. */
const HOLD_MS = 60_000;

const nameOf = (messageId: string, attachmentId: string | null): string => JSON.stringify([messageId, attachmentId]);

/** Compares what was owed with what has arrived. */
export function handedOn({ deliveries, unowed }: Outbox, { receipts, list, files, triedAgain }: Arrived): HandedOn {
  const of = (kind: Kind): Delivery[] => deliveries.filter((one) => one.kind === kind);
  const sentTo = (path: string): Receipt[] => receipts.filter((one) => one.path === path);
  const keyed = (path: string): Keyed[] =>
    sentTo(path).flatMap(({ key, messages }) => messages.map((id) => ({ name: nameOf(id, null), key })));
  const [utility, batched] = [keyed('/process'), keyed('/batch-metadata')];
  const batch = batched.map(({ name }) => name);
  const items = list.map(({ messageId, attachmentId }) => nameOf(messageId, attachmentId));
  const arrived = { utility: utility.map(({ name }) => name), batch, redis_list: items };
  const kinds = ['utility', 'batch', 'redis_list'] as const;
  const inLine = (kind: Kind): Delivery[] => of(kind).filter(({ deliveryNo }) => !triedAgain.has(deliveryNo));
  const onceInLine = new Set(inLine('batch').map(({ messageId }) => nameOf(messageId, null)));
  const countOf = (status: string): number => deliveries.filter((one) => one.status === status).length;
  const [delivered, deadLetters] = [countOf('delivered'), countOf('dead')];
  return {
    ...{ owed: deliveries.length, delivered, deadLetters, unowed },
    undecided: deliveries.length - delivered - deadLetters,
    lost: sum(kinds.map((kind) => missingFrom(of(kind), arrived[kind]))) + missingFiles(of('folder'), files),
    altered: alteredIn(of('redis_list'), list),
    again: sum(kinds.map((kind) => arrived[kind].length - new Set(arrived[kind]).size)),
    twoKeys: keysBeyondOne(utility) + keysBeyondOne(batched.filter(({ name }) => onceInLine.has(name))),
    outOfOrder: outOfOrder(inLine('batch'), batch) + outOfOrder(inLine('redis_list'), items),
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

function missingFrom(deliveries: readonly Delivery[], arrived: readonly string[]): number {
  const there = new Set(arrived);
  return deliveries.filter(
    ({ status, messageId, attachmentId }) => status === 'delivered' && !there.has(nameOf(messageId, attachmentId)),
  ).length;
}

/** A file for each delivery, with its bytes. */
function missingFiles(deliveries: readonly Delivery[], files: readonly string[]): number {
  const left = new Map<string, number>();
  for (const hash of files) left.set(hash, (left.get(hash) ?? 0) + 1);
  let missing = 0;
  for (const { status, sha256 } of deliveries) {
    if (status !== 'delivered') continue;
    const count = left.get(sha256 ?? '') ?? 0;
    if (count === 0) missing++;
    else left.set(sha256 ?? '', count - 1);
  }
  return missing;
}

function alteredIn(deliveries: readonly Delivery[], list: readonly ListedItem[]): number {
  const stored = new Map(deliveries.map((one) => [nameOf(one.messageId, one.attachmentId), one.sha256]));
  return list.filter(({ messageId, attachmentId, sha256 }) => stored.get(nameOf(messageId, attachmentId)) !== sha256)
    .length;
}

interface Keyed {
  readonly name: string;
  readonly key: string;
}

function keysBeyondOne(receipts: readonly Keyed[]): number {
  const keys = new Map<string, Set<string>>();
  for (const { name, key } of receipts) keys.set(name, (keys.get(name) ?? new Set()).add(key));
  return [...keys.values()].filter(({ size }) => size > 1).length;
}

/**
 * How many deliveries of an ordered destination arrived for the first time after one that was owed later. That is right
 * only where the earlier one had been owed for longer than it may hold up the others.
 * @param deliveries in the order of arrival in the store
 */
function outOfOrder(deliveries: readonly Delivery[], arrived: readonly string[]): number {
  const places = new Map(deliveries.map((one, place) => [nameOf(one.messageId, one.attachmentId), { ...one, place }]));
  let furthest: (Delivery & { readonly place: number }) | undefined;
  let overtaken = 0;
  for (const name of new Set(arrived)) {
    const one = places.get(name);
    if (!one) continue;
    if (!furthest || one.place > furthest.place) furthest = one;
    else if ((furthest.deliveredAt ?? Infinity) < one.owedAt + HOLD_MS) overtaken++;
  }
  return overtaken;
}
