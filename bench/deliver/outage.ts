import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../embedded/index.ts';
import type { Destination } from '../../store/destinations.ts';
import { redisPlace } from '../redis.ts';
import { percentilesOf, type Percentiles } from './percentiles.ts';
import { isOrdered, LIST } from './queue.ts';
import { hasTaken, SECRET, startReceiver, type Receiver } from './receiver.ts';
import { storeAttachments, storeMessages } from './rows.ts';
import { openDeliverStage, type DeliveryOutcome, type DeliverStage } from './stage.ts';

const MESSAGES = 10_000;
const ATTACHMENT_BYTES = 1_000;
/** What somebody else is owed meanwhile. */
const DRIP_MS = 600;

export interface OutageFigures {
  /** To a utility and to a list in Redis together. */
  readonly owed: number;
  readonly delivered: number;
  /** Whether a consumer of the list gets all of it in the order of arrival. */
  readonly ordered: boolean;
}

/**
 * A utility and a Redis that are away for a while and are owed a message each, ten thousand times, beside a utility that is
 * there; then they come.
 */
export async function benchOutage(
  note: (line: string) => void,
  { outageMinutes = 10 }: { readonly outageMinutes?: number | undefined },
): Promise<OutageFigures> {
  const place = await redisPlace();
  const port = await freePort();
  const other = await startReceiver({ kind: 'utility' });
  const stage = await openDeliverStage(note);
  const { db, organization, blobs } = stage;
  const network = { allowPrivate: true };
  const first = await storeMessages(db, organization, { count: MESSAGES, hasAttachments: true });
  await storeAttachments(db, organization, blobs, { first, count: MESSAGES, bytes: ATTACHMENT_BYTES });
  const list = await stage.addDestination('redis_list', {
    url: place.url,
    list: LIST,
    maxLength: MESSAGES * 2,
    ...network,
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const utility = await stage.addDestination('utility', { endpoint, ...network }, SECRET);
  const neighbour = await stage.addDestination('utility', { endpoint: other.url, ...network }, SECRET);
  const away = [list, utility];
  try {
    await drip(stage, neighbour, other, 10);
    note(`The neighbour alone: ${JSON.stringify(await drip(stage, neighbour, other, 60))}`);
    for (const destination of away) await stage.owe(destination, { first, count: MESSAGES });
    await stage.wake(...away);
    note(`${MESSAGES} messages are owed to each of two that are away for ${outageMinutes} minutes …`);
    const meanwhile = await drip(stage, neighbour, other, outageMinutes * 60);
    note(`The neighbour meanwhile: ${JSON.stringify(meanwhile)}`);
    for (const destination of away) note(`${destination.kind}: ${JSON.stringify(await stage.outcome(destination))}`);
    const redis = await place.start();
    const receiver = await startReceiver({ kind: 'utility', port });
    try {
      const started = performance.now();
      const outcomes = await Promise.all(away.map((destination) => stage.drained(destination)));
      note(`All of it took ${Math.round((performance.now() - started) / 1000)} s: ${JSON.stringify(outcomes)}`);
      return {
        owed: away.length * MESSAGES,
        delivered: await deliveredTo(receiver, outcomes),
        ordered: await isOrdered(redis, { first, count: MESSAGES }),
      };
    } finally {
      await receiver.close();
      await redis.stop();
    }
  } finally {
    await stage.close();
    await other.close();
  }
}

/** As the store has it; nothing is counted that the utility does not know of. */
async function deliveredTo(receiver: Receiver, outcomes: readonly DeliveryOutcome[]): Promise<number> {
  const known = new Set((await receiver.accepted()).map(({ messageId }) => messageId)).size;
  const [list = 0, utility = 0] = outcomes.map(({ delivered }) => delivered);
  return list + Math.min(utility, known);
}

/** Owes one message after the other, and says how long each took to be accepted. */
async function drip(
  stage: DeliverStage,
  destination: Destination,
  receiver: Receiver,
  seconds: number,
): Promise<Percentiles> {
  const before = await receiver.length();
  const owedMs: number[] = [];
  const endsAt = performance.now() + seconds * 1000;
  while (performance.now() < endsAt) {
    const first = await storeMessages(stage.db, stage.organization, { count: 1 });
    owedMs.push(await stage.owe(destination, { first, count: 1 }));
    await stage.wake(destination);
    await delay(DRIP_MS);
  }
  await hasTaken(receiver, before + owedMs.length);
  const accepted = (await receiver.accepted()).slice(before);
  return percentilesOf(accepted.map(({ atMs }, index) => atMs - owedMs[index]!));
}
