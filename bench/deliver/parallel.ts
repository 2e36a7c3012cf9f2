import { openDeliverStage } from './stage.ts';
import { storeMessages } from './rows.ts';
import { hasTaken, SECRET, startReceiver } from './receiver.ts';

const UTILITIES = 3;
/** What a utility takes for a message, ms; 25 at a time make 50 a second at most. */
const DELAY_MS = 500;
const MESSAGES = 1_500;

export interface ParallelFigures {
  /** Messages a second that the slowest of the utilities got. */
  readonly perSecondEach: number;
}

/** Three slow utilities that are owed the same messages, 25 requests at a time each. */
export async function benchParallel(note: (line: string) => void): Promise<ParallelFigures> {
  const stage = await openDeliverStage(note);
  const receivers = await Promise.all(
    Array.from({ length: UTILITIES }, () => startReceiver({ kind: 'utility', delayMs: DELAY_MS })),
  );
  try {
    const first = await storeMessages(stage.db, stage.organization, { count: MESSAGES });
    const destinations = [];
    for (const { url } of receivers) {
      destinations.push(await stage.addDestination('utility', { endpoint: url, allowPrivate: true }, SECRET));
    }
    note(`${UTILITIES} utilities that take ${DELAY_MS} ms, ${MESSAGES} messages each …`);
    for (const destination of destinations) await stage.owe(destination, { first, count: MESSAGES });
    const startedMs = Date.now();
    await stage.wake(...destinations);
    const rates = await Promise.all(
      receivers.map(async (receiver) => {
        await hasTaken(receiver, MESSAGES);
        const last = (await receiver.accepted()).at(-1)!.atMs;
        return MESSAGES / ((last - startedMs) / 1000);
      }),
    );
    note(JSON.stringify(rates));
    return { perSecondEach: Math.round(Math.min(...rates) * 10) / 10 };
  } finally {
    await Promise.all(receivers.map((receiver) => receiver.close()));
    await stage.close();
  }
}
