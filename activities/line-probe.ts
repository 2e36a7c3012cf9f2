import type { Item, Outcome, Sender } from '../destinations/sender.ts';
import type { Circuit } from '../model/circuit.ts';
import { KIND_TRAITS } from '../model/destination.ts';
import type { Destination } from '../store/destinations.ts';
import type { ToSend } from './delivery-items.ts';
import type { Settler } from './delivery-settler.ts';

/** Whether a probe that fails, the first in line, has failed as often as one may, and nothing else was sent meanwhile. */
export const mayBeToBlame = ({ kind, settings }: Destination, circuit: Circuit): boolean =>
  KIND_TRAITS[kind].ordered && circuit.state !== 'closed' && circuit.openings + 1 >= settings.attempts;

export interface LineProbe {
  /** What is next in line; nothing where there is none. */
  readonly next: AsyncIterable<readonly ToSend[]> | readonly (readonly ToSend[])[];
  readonly sender: Sender;
  readonly settler: Settler;
  readonly signal: AbortSignal;
}

/**
 * The first in line has failed once more. Either it is to blame or the destination is, and the one behind it tells: it is
 * sent by itself, and only if it is accepted the first is given up. So nothing overtakes what is still to be sent, and
 * while a destination is away nobody loses an attempt.
 */
export async function tellWhoIsToBlame(failed: Outcome, { next, sender, settler, signal }: LineProbe): Promise<void> {
  let answer: Outcome | undefined;
  for await (const [one] of next) {
    if (!one || 'lacks' in one) continue;
    settler.sending(one.delivery);
    for await (const outcome of sender.send(only(one.item), signal)) answer = outcome;
  }
  if (answer?.status === 'accepted') settler.ownFault(failed.deliveryNo);
  settler.add(failed);
  if (answer) settler.add(answer);
}

async function* only(item: Item): AsyncGenerator<Item> {
  yield await Promise.resolve(item);
}
