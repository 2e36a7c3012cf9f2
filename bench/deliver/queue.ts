import { redisPlace, type RunningRedis } from '../redis.ts';
import { until } from '../rig.ts';
import { storeAttachments, storeMessages } from './rows.ts';
import { openDeliverStage } from './stage.ts';

const ITEMS = 20_000;
const ATTACHMENT_BYTES = 10_000;
/** Delivered before it counts. */
const WARM_UP = 1_000;

export const LIST = 'bench';

export interface QueueFigures {
  /** Items a second, from the wake to the last one in the list. */
  readonly perSecond: number;
  /** Whether a consumer gets every item, in the order of arrival. */
  readonly ordered: boolean;
}

/** Attachments of 10 KB that are stored already, to a list in Redis. */
export async function benchQueue(note: (line: string) => void): Promise<QueueFigures> {
  const place = await redisPlace();
  const redis = await place.start();
  const stage = await openDeliverStage(note);
  try {
    note(`Storing ${ITEMS + WARM_UP} messages with a file of ${ATTACHMENT_BYTES} bytes each …`);
    const { db, organization, blobs } = stage;
    const first = await storeMessages(db, organization, { count: ITEMS + WARM_UP, hasAttachments: true });
    await storeAttachments(db, organization, blobs, { first, count: ITEMS + WARM_UP, bytes: ATTACHMENT_BYTES });
    const settings = { url: place.url, list: LIST, maxLength: 1_000_000, allowPrivate: true };
    const destination = await stage.addDestination('redis_list', settings);
    const lengthIs = (count: number): Promise<true> =>
      until(async () => ((await redis.length(LIST)) >= count ? true : undefined), 20);
    await stage.owe(destination, { first, count: WARM_UP });
    await stage.wake(destination);
    await lengthIs(WARM_UP);
    await stage.drained(destination);
    note(`${ITEMS} items …`);
    await stage.owe(destination, { first: first + WARM_UP, count: ITEMS });
    await stage.settle();
    const started = performance.now();
    let seconds = 0;
    const cpu = await stage.workerCpuEach(ITEMS, async () => {
      await stage.wake(destination);
      await lengthIs(WARM_UP + ITEMS);
      seconds = (performance.now() - started) / 1000;
      await stage.drained(destination);
    });
    note(`CPU of the worker: ${cpu} µs an item`);
    return {
      perSecond: Math.round(ITEMS / seconds),
      ordered: await isOrdered(redis, { first, count: WARM_UP + ITEMS }),
    };
  } finally {
    await stage.close();
    await redis.stop();
  }
}

/**
 * Whether the list holds an item of each message from `first` on, the oldest first. One that came twice, which may be, is
 * in its place the first time.
 */
export async function isOrdered(
  redis: RunningRedis,
  { first, count }: { readonly first: number; readonly count: number },
): Promise<boolean> {
  let next = first;
  for await (const item of redis.items(LIST)) {
    const { email_id: id } = JSON.parse(item) as { email_id: string };
    const no = Number(id.slice(-10));
    if (no > next) return false;
    if (no === next) next++;
  }
  return next === first + count;
}
