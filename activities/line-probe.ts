import { cutOf, inHalves } from '../destinations/batch-id.ts';
import type { BatchLog, Item, Outcome, Refusal, Sender } from '../destinations/sender.ts';
import type { Circuit } from '../model/circuit.ts';
import { KIND_TRAITS } from '../model/destination.ts';
import type { Destination } from '../store/destinations.ts';
import type { Sendable, ToSend } from './delivery-items.ts';
import { eventOf, type Settler } from './delivery-settler.ts';

/** Whether a probe that fails, the first in line, has failed as often as one may, and nothing else was sent meanwhile. */
export const mayBeToBlame = ({ kind, settings }: Destination, circuit: Circuit): boolean =>
  KIND_TRAITS[kind].ordered && circuit.state !== 'closed' && circuit.openings + 1 >= settings.attempts;

export interface LineProbe {
  /** What has failed: the first in line, or the batch that is. */
  readonly probed: readonly Sendable[];
  /** Takes what is next in line; nothing where there is none. */
  readonly next: () => Promise<AsyncIterable<readonly ToSend[]> | readonly (readonly ToSend[])[]>;
  readonly sender: Sender;
  readonly settler: Settler;
  readonly batches: BatchLog | undefined;
  readonly signal: AbortSignal;
}

/**
 * The first in line has failed once more. Either it is to blame or the destination is, and the one behind it tells: it is
 * sent by itself (in its batch, where it is in one), and only if it is accepted the first is given up. So nothing overtakes
 * what is still to be sent, and while a destination is away nobody loses an attempt.
 *
 * Of a batch that fails as a whole, for it may have been taken before, the first message is sent by itself, if the
 * destination answers anything at all. If that is accepted the batch is to blame, and what remains of it comes in halves; if
 * not, its second message tells about the first. While a destination is away the batch stays as it is.
 */
export async function tellWhoIsToBlame(failed: readonly Refusal[], probe: LineProbe): Promise<void> {
  const [first, second, ...others] = probe.probed;
  if (!first || failed.length !== probe.probed.length) return settle(probe, failed, []);
  if (!second) return settle(probe, failed, await blame(first, probe, await nextAnswers(probe)));
  const isThere = await probe.sender.answers?.(probe.signal);
  if (isThere === false) return settle(probe, failed, []);
  const own = await send(probe, [alone(first)]);
  if (own.every(isFailed)) return settle(probe, failed, await blame(first, probe, await send(probe, [alone(second)])));
  const { batch } = first.item;
  if (batch && own.some(isAccepted)) {
    const halves = inHalves([second, ...others].map(({ item }) => item));
    await probe.batches?.cut(halves.map(cutOf), batch.id);
  }
  settle(probe, failed, own);
}

/** It is given up if what came after it was accepted. */
async function blame(
  { item }: Sendable,
  { settler }: LineProbe,
  answers: readonly Outcome[],
): Promise<readonly Outcome[]> {
  if (answers.some(isAccepted)) settler.ownFault(item.deliveryNo);
  return answers;
}

async function nextAnswers(probe: LineProbe): Promise<Outcome[]> {
  const answers: Outcome[] = [];
  for await (const group of await probe.next()) {
    const items = group.flatMap((one) => {
      if ('lacks' in one) return [];
      probe.settler.sending(one.delivery);
      return [one.item];
    });
    answers.push(...(await send(probe, items, probe.batches)));
  }
  return answers;
}

async function send({ sender, signal }: LineProbe, items: readonly Item[], batches?: BatchLog): Promise<Outcome[]> {
  const answers: Outcome[] = [];
  for await (const outcome of sender.send(streamOf(items), signal, batches)) answers.push(outcome);
  return answers;
}

function settle({ settler }: LineProbe, failed: readonly Outcome[], answers: readonly Outcome[]): void {
  const answered = new Set(answers.map(({ deliveryNo }) => deliveryNo));
  for (const outcome of failed) if (!answered.has(outcome.deliveryNo)) settler.add(outcome);
  for (const outcome of answers) settler.add(outcome);
}

const isAccepted = ({ status }: Outcome): boolean => status === 'accepted';
const isFailed = (outcome: Outcome): boolean => eventOf(outcome) === 'failed';

function alone({ item }: Sendable): Item {
  const { batch: _, ...single } = item;
  return single;
}

async function* streamOf(items: readonly Item[]): AsyncGenerator<Item> {
  yield* await Promise.resolve(items);
}
