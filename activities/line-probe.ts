import { cutOf, inHalves } from '../destinations/batch-id.ts';
import type { BatchLog, Item, ItemBatch, Outcome, Refusal, Sender } from '../destinations/sender.ts';
import type { Circuit } from '../model/circuit.ts';
import { KIND_TRAITS } from '../model/destination.ts';
import type { Destination } from '../store/destinations.ts';
import type { Sendable, ToSend } from './delivery-items.ts';
import { eventOf, type Settler } from './delivery-settler.ts';

/**
 * How many may fail one after the other while the first in line is probed, itself included, until the next probe: one more
 * each time that as many probes have failed as one message has attempts, so that each has failed as often before the one
 * behind it is asked. 0: it is not the time yet to ask who is to blame, or there is no order.
 */
export function mayFail({ kind, settings: { attempts } }: Destination, circuit: Circuit): number {
  if (!KIND_TRAITS[kind].ordered || circuit.state === 'closed') return 0;
  const rounds = Math.floor((circuit.openings + 1) / attempts);
  return rounds === 0 ? 0 : rounds + 1;
}

export interface LineProbe {
  /** What has failed: the first in line, or the batch that it is in. */
  readonly probed: readonly Sendable[];
  /** Of `mayFail`. */
  readonly mayFail: number;
  /** Takes what is next in line; nothing where there is none. */
  readonly next: () => Promise<AsyncIterable<readonly ToSend[]> | readonly (readonly ToSend[])[]>;
  readonly sender: Sender;
  readonly settler: Settler;
  readonly batches: BatchLog | undefined;
  readonly signal: AbortSignal;
}

/** Something that was sent by itself, a message or a batch, and what came of it. */
interface Trial {
  readonly sent: readonly Sendable[];
  readonly outcomes: readonly Outcome[];
  /** Of a batch whose messages are sent one by one: that batch. */
  readonly from?: readonly Sendable[];
}

/**
 * The first in line has failed once more. Either it is to blame or the destination is, and what is behind it tells: it is
 * sent by itself (in its batch, where it is in one), and only if it is accepted those before it are given up. So nothing
 * overtakes what is still to be sent, and while a destination is away nobody loses an attempt. Where the next one fails, too,
 * the one behind that is asked as soon as both have failed as often as one may, and so on (`mayFail`).
 *
 * A batch that fails as a whole, for it may have been taken before, is sent message by message then. Once one of them is
 * accepted, what remains comes in halves. While a destination is away the batch stays as it is.
 *
 * What had no answer is sent once more before anybody is blamed: the destination may have come back while it hung.
 */
export async function tellWhoIsToBlame(failed: readonly Refusal[], probe: LineProbe): Promise<void> {
  const { probed, settler, batches } = probe;
  const again = failed.length === probed.length ? await onceMore(failed, probe) : [];
  if (again) return settle(probe, failed, again);
  const answers: Outcome[] = [];
  const suspects: number[] = [];
  let failures = 0;
  for await (const { sent, outcomes, from } of trials(failed, probe)) {
    answers.push(...outcomes);
    if (outcomes.some(isAccepted)) {
      for (const deliveryNo of suspects) settler.ownFault(deliveryNo);
      const id = from?.[0]?.item.batch?.id;
      if (from && id !== undefined) await batches?.cut(cutAfter(from, sent), id);
      break;
    }
    if (!outcomes.every(isFailed) || ++failures >= probe.mayFail) break;
    if (sent.length === 1) suspects.push(...sent.map(({ delivery }) => delivery.deliveryNo));
  }
  settle(probe, failed, answers);
}

/** What failed without an answer, sent again as it was. @returns its outcomes where that is all there is to know */
async function onceMore(failed: readonly Refusal[], probe: LineProbe): Promise<readonly Outcome[] | undefined> {
  if (failed.every(({ httpStatus }) => httpStatus !== undefined)) return undefined;
  if ((await probe.sender.answers?.(probe.signal)) === false) return [];
  const items = probe.probed.map(({ item }) => ({ ...item, ...(item.batch && { batch: mayBeTaken(item.batch) }) }));
  const outcomes = await send(probe, items, probe.batches);
  return outcomes.every(isFailed) ? undefined : outcomes;
}

/** The line from its beginning, one thing after the other; of the first in line, where it is alone, the outcome is known. */
async function* trials(failed: readonly Refusal[], probe: LineProbe): AsyncGenerator<Trial> {
  if (probe.probed.length === 1) yield { sent: probe.probed, outcomes: failed };
  else yield* messageByMessage(probe, probe.probed);
  for (let sent = await nextOf(probe); sent.length > 0; sent = await nextOf(probe)) {
    const items = sent.map(({ item }) => item);
    yield { sent, outcomes: await send(probe, items, probe.batches) };
    if (sent.length > 1) yield* messageByMessage(probe, sent);
  }
}

async function* messageByMessage(probe: LineProbe, from: readonly Sendable[]): AsyncGenerator<Trial> {
  for (const one of from) {
    const { batch: _, ...item } = one.item;
    yield { sent: [one], outcomes: await send(probe, [item]), from };
  }
}

/** What is next in line; what of it cannot be sent is settled. */
async function nextOf({ next, settler }: LineProbe): Promise<readonly Sendable[]> {
  const sendable: Sendable[] = [];
  for await (const group of await next()) {
    for (const one of group) {
      if ('lacks' in one) {
        settler.lacks(one.delivery, one.lacks);
        continue;
      }
      settler.sending(one.delivery);
      sendable.push(one);
    }
  }
  return sendable;
}

async function send({ sender, signal }: LineProbe, items: readonly Item[], batches?: BatchLog): Promise<Outcome[]> {
  const answers: Outcome[] = [];
  for await (const outcome of sender.send(streamOf(items), signal, batches)) answers.push(outcome);
  return answers;
}

/** Each that was sent by itself is a batch of its own from now on, what came behind it two. */
function cutAfter(from: readonly Sendable[], [last]: readonly Sendable[]): ReturnType<typeof cutOf>[] {
  const items = from.map(({ item }) => item);
  const behind = from.findIndex((one) => one === last) + 1;
  return [...items.slice(0, behind).map((item) => [item]), ...inHalves(items.slice(behind))].map(cutOf);
}

/** Of several outcomes of one delivery the last counts, in its place. */
function settle({ settler }: LineProbe, failed: readonly Outcome[], answers: readonly Outcome[]): void {
  const last = new Map<number, Outcome>();
  for (const outcome of [...failed, ...answers]) {
    last.delete(outcome.deliveryNo);
    last.set(outcome.deliveryNo, outcome);
  }
  for (const outcome of last.values()) settler.add(outcome);
}

const mayBeTaken = (batch: ItemBatch): ItemBatch => ({ ...batch, mayBeTaken: true });
const isAccepted = ({ status }: Outcome): boolean => status === 'accepted';
const isFailed = (outcome: Outcome): boolean => eventOf(outcome) === 'failed';

async function* streamOf(items: readonly Item[]): AsyncGenerator<Item> {
  yield* await Promise.resolve(items);
}
