import { openLiveStage, type Flowed, type LiveStage } from './live-stage.ts';
import { benchReceiver, type ReceiverFigures } from './receiver.ts';
import { benchSweep, type SweepFigures } from './sweep.ts';

const MAILBOXES = 100;

/** From a message's arrival in its mailbox to its row. */
export interface LatencyFigures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Messages without a row when every notification had been seen to. */
  readonly lost: number;
}

export interface LiveFigures {
  readonly hourly: LatencyFigures;
  /** `backlogAtEnd`: messages that had arrived and had no row yet at the moment at which the last one arrived. */
  readonly minutely: LatencyFigures & { readonly backlogAtEnd: number };
  readonly receiver: ReceiverFigures;
  /** Messages without a row after one sweep; the share of messages of which no notification came, 0 to 1. */
  readonly lossy: {
    readonly missing: number;
    readonly measuredLoss: number | null;
    readonly trueLoss: number | null;
  };
  readonly idle: Pick<SweepFigures, 'mailboxes' | 'actionsPerSweep' | 'requestsPerSweep'>;
}

export interface LiveOptions {
  /** How long 1,000 messages a minute come. Default: 5. */
  readonly minutes?: number;
}

/** A session with notifications, end to end; then the receiver alone, and a sweep over idle mailboxes. */
export async function benchLive(note: (line: string) => void, { minutes = 5 }: LiveOptions = {}): Promise<LiveFigures> {
  const flows = await benchFlows(note, minutes);
  const receiver = await benchReceiver(note);
  const { mailboxes, actionsPerSweep, requestsPerSweep } = await benchSweep(note);
  return { ...flows, receiver, idle: { mailboxes, actionsPerSweep, requestsPerSweep } };
}

type Flows = Pick<LiveFigures, 'hourly' | 'minutely' | 'lossy'>;

async function benchFlows(note: (line: string) => void, minutes: number): Promise<Flows> {
  const stage = await openLiveStage(note, MAILBOXES);
  try {
    note('A session with notifications starts …');
    await stage.startSession({ polling_mode: 'scheduled' });
    await stage.flow({ ratePerMinute: 600, seconds: 10, seed: 1 });
    const hourly = latenciesOf(await hourlyFlow(stage, note));
    note(JSON.stringify(hourly));
    note(`1,000 messages a minute for ${minutes} minutes …`);
    const even = await stage.flow({ ratePerMinute: 1000, seconds: minutes * 60, seed: 3 });
    const minutely = { ...latenciesOf(even), backlogAtEnd: backlogOf(even) };
    note(JSON.stringify(minutely));
    await stage.stopSession();
    const lossy = await lossyFlow(stage, note);
    note(JSON.stringify(lossy));
    return { hourly, minutely, lossy };
  } finally {
    await stage.close();
  }
}

/** Three minutes of such an hour, with a burst in the first: 1,000 messages are 400, evenly, and six bursts of 100. */
function hourlyFlow(stage: LiveStage, note: (line: string) => void): Promise<Flowed> {
  note('1,000 messages an hour, 100 of them in one minute: three minutes of it …');
  const burst = { everySeconds: 600, messages: 100, overSeconds: 60 };
  return stage.flow({ ratePerMinute: 400 / 60, burst, seconds: 180, seed: 2 });
}

/** Nothing but the one sweep makes up for what is lost: nobody sweeps by schedule. */
async function lossyFlow(stage: LiveStage, note: (line: string) => void): Promise<Flows['lossy']> {
  note('1,000 messages a minute for a minute and a half; of notifications 20 % lost, 5 % doubled, 10 % overtaken …');
  await stage.startSession({ polling_mode: 'manual' });
  await stage.setNotifications({ loss: 0.2, duplicates: 0.05, reorder: 0.1, delayMs: [0, 500], seed: 7 });
  const { arrivals } = await stage.flow({ ratePerMinute: 1000, seconds: 90, seed: 4 }, async () => {
    await stage.settled();
    await stage.sweep();
  });
  const { measured, real } = await stage.losses();
  const missing = arrivals.filter(({ storedMs }) => storedMs === null).length;
  return { missing, measuredLoss: rounded(measured), trueLoss: rounded(real) };
}

export function latenciesOf({ arrivals }: Flowed): LatencyFigures {
  const latencies = arrivals
    .flatMap(({ arrivedMs, storedMs }) => (storedMs === null ? [] : [storedMs - arrivedMs]))
    .sort((a, b) => a - b);
  const percentile = (part: number): number =>
    Math.round(latencies[Math.ceil(latencies.length * part) - 1] ?? Number.NaN);
  return { p50Ms: percentile(0.5), p99Ms: percentile(0.99), lost: arrivals.length - latencies.length };
}

const backlogOf = ({ arrivals, endedMs }: Flowed): number =>
  arrivals.filter(({ arrivedMs, storedMs }) => arrivedMs <= endedMs && (storedMs ?? Infinity) > endedMs).length;

const rounded = (share: number | null): number | null => share && Math.round(share * 10_000) / 10_000;
