import type {
  FaultRule,
  FlowReport,
  LifecycleEvent,
  NotificationCounts,
  Stats,
  TruthMailbox,
} from '../simulator/index.ts';
import { controlClient } from '../simulator/control-client.ts';
import { nameTenant, startTenant, type Tenant } from '../cli/demo/tenant.ts';
import type { DataFolder } from '../embedded/data-folder.ts';
import { pause } from '../embedded/pause.ts';

/** How large the tenant is. */
export interface TenantSize {
  readonly mailboxes: number;
  /** In all mailboxes together. */
  readonly messages: number;
  readonly seed: number;
}

export interface SimulatedTenant extends Tenant {
  stats(): Promise<Stats>;
  /** From now on a part of all requests fails in one way or another, and mail keeps changing, folders too. */
  beHostile(): Promise<void>;
  /**
   * Mail flows for so many seconds, and Graph notifies of it badly: some is told never, twice or late, subscriptions live
   * two minutes, and one mailbox gets none.
   */
  notifyBadly(seconds: number): Promise<void>;
  /** Ends the flow, lets some messages arrive, and waits for the last of them. */
  someArrive(): Promise<void>;
  /** Ends what is wrong with notifications. */
  notifyWell(): Promise<void>;
  notifications(): Promise<NotificationCounts>;
  /** Every subscription is over, and nobody is told. */
  expireSubscriptions(): Promise<void>;
  /** Sends a lifecycle event of every subscription. */
  tell(event: LifecycleEvent): Promise<void>;
  fail(rule: FaultRule): Promise<void>;
  /** Changes some mail, within a second or two. */
  burst(changes: number, seed: number): Promise<void>;
  /** Ends every fault and every change; returns how often each of them was done, by name. */
  calm(): Promise<Record<string, number>>;
  stop(): Promise<void>;
  end(): void;
}

/** The part of all requests that goes wrong. */
const FAULT_RATE = 0.02;
/** Changes of mail a second, all the time, and while there is a burst of them. */
const CHURN = 2;
const BURST = 100;

/** Changes of mail a minute while a session runs. */
const FLOW = 240;
/** Of arrivals alone, once the faults are over: 32. */
const ARRIVING_SECONDS = 8;
const LOOK_EVERY_MS = 250;
const MIX = { arrive: 8, move: 2, read: 2, delete: 1, restore: 1 };
const BAD_NOTIFICATIONS = {
  ...{ loss: 0.2, duplicates: 0.05, reorder: 0.1, delayMs: [0, 1_000] },
  ...{ lifetimeScale: 0.0002, backoffScale: 0.1 },
};

/** Before each answer, so that requests take time as they do in Graph, and there are some to be caught in flight. */
const LATENCY_MS = 40;

/** Starts a simulated tenant in a process of its own. */
export async function openSimulator(
  { mailboxes, messages, seed }: TenantSize,
  options: {
    readonly folder: DataFolder;
    readonly env: NodeJS.ProcessEnv;
    readonly say: (line: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<SimulatedTenant> {
  const tenant = await nameTenant();
  const service = await startTenant(tenant, { mailboxes, messages, seed, latency: LATENCY_MS }, options);
  const call = controlClient(tenant.url);
  return {
    ...tenant,
    stats: () => call('GET', '/stats'),
    async beHostile() {
      await call('POST', '/faults', { preset: 'mixed', rate: FAULT_RATE, seed });
      await call('POST', '/churn', { perSecond: CHURN, seed, folders: true });
    },
    async notifyBadly(seconds) {
      await call('PUT', '/notifications', { ...BAD_NOTIFICATIONS, seed });
      const { value } = await call<{ value: TruthMailbox[] }>('GET', '/truth/mailboxes');
      const mailbox = value.find(({ readable }) => readable)?.id;
      await call('POST', '/faults', { kind: 'subscriptions', mailbox, effect: { type: 'mailbox', state: 'denied' } });
      await call('POST', '/flow', { ratePerMinute: FLOW, mix: MIX, seconds, seed });
    },
    async someArrive() {
      await call('DELETE', '/flow');
      await call('POST', '/flow', { ratePerMinute: FLOW, mix: { arrive: 1 }, seconds: ARRIVING_SECONDS, seed });
      while ((await call<FlowReport>('GET', '/flow')).isRunning) await pause(LOOK_EVERY_MS, options.signal);
    },
    async notifyWell() {
      await call('PUT', '/notifications', { loss: 0, duplicates: 0, reorder: 0, delayMs: [0, 0] });
    },
    notifications: () => call('GET', '/notifications'),
    expireSubscriptions: () => call('POST', '/subscriptions/expire', { all: true }),
    tell: (event) => call('POST', '/lifecycle', { all: true, event }),
    fail: (rule) => call('POST', '/faults', rule),
    burst: (changes, burstSeed) => call('POST', '/churn', { perSecond: BURST, seed: burstSeed, changes }),
    async calm() {
      const { faults } = await call<Stats>('GET', '/stats');
      const churns = await call<{ value: { byKind: Record<string, number> }[] }>('GET', '/churn');
      await call('DELETE', '/churn');
      await call('DELETE', '/faults');
      return sum([named('answer', faults), ...churns.value.map(({ byKind }) => named('mail', byKind))]);
    },
    stop: service.stop,
    end: () => service.kill('SIGKILL'),
  };
}

/** `{move: 2}` as `{mailMove: 2}`, `{'status 429': 1}` as `{answerStatus429: 1}`. */
const named = (prefix: string, counts: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(counts).map(([name, count]) => [
      `${prefix} ${name}`.replace(/[^a-z0-9]+(.)/gi, (_, letter: string) => letter.toUpperCase()),
      count,
    ]),
  );

function sum(all: readonly Record<string, number>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [name, count] of all.flatMap((counts) => Object.entries(counts))) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}
