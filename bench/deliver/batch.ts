import { hasTaken, SECRET, startReceiver } from './receiver.ts';
import { storeMessages } from './rows.ts';
import { openDeliverStage } from './stage.ts';

const MESSAGES = 100_000;
/** Delivered before it counts. */
const WARM_UP = 5_000;

export interface BatchFigures {
  /** Messages a second, from the wake to the last one received. */
  readonly perSecond: number;
}

/** Stored messages to a batch receiver with the default settings: 100 messages in a request, one request at a time. */
export async function benchBatch(note: (line: string) => void): Promise<BatchFigures> {
  const receiver = await startReceiver({ kind: 'batch' });
  const stage = await openDeliverStage(note);
  try {
    const first = await storeMessages(stage.db, stage.organization, { count: MESSAGES + WARM_UP });
    const settings = { endpoint: receiver.url, allowPrivate: true };
    const destination = await stage.addDestination('batch', settings, SECRET);
    await stage.owe(destination, { first, count: WARM_UP });
    await stage.wake(destination);
    await hasTaken(receiver, WARM_UP);
    await stage.drained(destination);
    note(`${MESSAGES} messages to a batch receiver …`);
    await stage.owe(destination, { first: first + WARM_UP, count: MESSAGES });
    await stage.settle();
    const startedMs = Date.now();
    const cpu = await stage.workerCpuEach(MESSAGES, async () => {
      await stage.wake(destination);
      await hasTaken(receiver, WARM_UP + MESSAGES);
      await stage.drained(destination);
    });
    note(`CPU of the worker: ${cpu} µs a message`);
    const accepted = await receiver.accepted();
    const messages = new Set(accepted.map(({ messageId }) => messageId)).size;
    if (messages !== WARM_UP + MESSAGES) throw new Error(`${messages} messages came, not ${WARM_UP + MESSAGES}`);
    return { perSecond: Math.round(MESSAGES / ((accepted.at(-1)!.atMs - startedMs) / 1000)) };
  } finally {
    await receiver.close();
    await stage.close();
  }
}
