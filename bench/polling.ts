import { openLiveStage, type Effort, type Flowed, type LiveStage } from './live-stage.ts';
import { latenciesOf, type LatencyFigures } from './live.ts';
import { until } from './rig.ts';

const MAILBOXES = 100;
const MESSAGES = 10_000;
const FLOW_SECONDS = 60;
const POLLING_SECONDS = 10;
/** After the flow, until what has no row by then counts as lost. */
const GIVEN_UP_MS = 180_000;

/** A session without notifications, from the first arrival of a flow to its last row. */
export interface PollingFigures extends LatencyFigures, Effort {
  readonly messages: number;
  readonly seconds: number;
  /** All rows there are, and how many ids they have: more rows than ids were stored twice. */
  readonly rows: number;
  readonly ids: number;
  /** Messages in the tenant, those from before the flow included. */
  readonly inTenant: number;
}

/** 10,000 messages arrive in 100 mailboxes that nobody notifies of: sweeps by schedule find them. */
export async function benchPolling(note: (line: string) => void): Promise<PollingFigures> {
  const stage = await openLiveStage(note, MAILBOXES);
  try {
    note('A session by scheduled polling alone starts …');
    const settings = { polling_mode: 'scheduled', polling_interval: POLLING_SECONDS, enable_webhook: false } as const;
    await stage.startSession(settings);
    note(`${MESSAGES.toLocaleString('en')} messages in ${FLOW_SECONDS} s …`);
    const flow = { ratePerMinute: (MESSAGES * 60) / FLOW_SECONDS, seconds: FLOW_SECONDS, seed: 5 };
    let flowed: Flowed = { arrivals: [], endedMs: 0 };
    const effort = await stage.effortOf(async () => {
      flowed = await stage.flow(flow, () => allStored(stage));
    });
    const found = await stage.rows();
    await stage.stopSession();
    return {
      messages: flowed.arrivals.length,
      seconds: secondsOf(flowed),
      ...latenciesOf(flowed),
      ...found,
      ...effort,
    };
  } finally {
    await stage.close();
  }
}

async function allStored(stage: LiveStage): Promise<void> {
  const givenUpAt = performance.now() + GIVEN_UP_MS;
  await until(async () => {
    const { ids, inTenant } = await stage.rows();
    return ids >= inTenant || performance.now() > givenUpAt ? true : undefined;
  }, 500);
}

/** From the first arrival to the last row. */
function secondsOf({ arrivals }: Flowed): number {
  const first = Math.min(...arrivals.map(({ arrivedMs }) => arrivedMs));
  return Math.round((Math.max(...arrivals.map(({ storedMs }) => storedMs ?? 0)) - first) / 100) / 10;
}
