import type { FaultRule, LifecycleEvent, PlainEffect } from '../simulator/index.ts';
import { randomFrom, type Random } from './random.ts';

/** Who can be killed and frozen. */
export const PROCESSES = ['worker', 'api', 'postgres', 'temporal'] as const;
/** Where mail is handed on to, of a run with destinations. */
export const RECEIVERS = ['redis', 'utility'] as const;
export type ProcessKind = (typeof PROCESSES)[number] | (typeof RECEIVERS)[number];

/** Between whom the network can be cut. */
export const PAIRS = ['worker-temporal', 'worker-postgres', 'worker-graph', 'api-temporal', 'api-postgres'] as const;
export type Pair = (typeof PAIRS)[number] | 'graph-api' | `worker-${(typeof RECEIVERS)[number]}`;

/** How a cut network answers: with a reset at once, or not at all. */
export type Cut = 'refuse' | 'swallow';

/** What people do to scans. */
export interface ScanAct {
  readonly kind: 'cancel' | 'pause' | 'restart';
}

/** What people do to a session: stop it for a while, at once start it again, or stop it while it starts. */
export interface SessionAct {
  readonly kind: 'session';
  readonly how: 'pause' | 'restart' | 'stopDuringStart';
}

/** What a deed does. Where there are several workers, `worker` (taken modulo their number) says which. */
export type Act =
  | { readonly kind: 'kill' | 'freeze'; readonly target: ProcessKind; readonly worker: number }
  | { readonly kind: 'cut'; readonly pair: Pair; readonly how: Cut; readonly worker: number }
  | { readonly kind: 'fill' }
  | ScanAct
  | SessionAct
  | { readonly kind: 'outage' }
  | { readonly kind: 'expire' }
  | { readonly kind: 'lifecycle'; readonly event: LifecycleEvent }
  | { readonly kind: 'mail'; readonly changes: number; readonly seed: number }
  | { readonly kind: 'graph'; readonly rule: GraphRule };

/** What Graph does to some of the next requests for pages of messages. */
export type GraphRule = FaultRule & { readonly effect: PlainEffect; readonly times: number };

/** One fault, when it begins and how long it lasts, in ms; 0 for what is done at once. */
export type Deed = Act & { readonly atMs: number; readonly forMs: number };

const NAMES = {
  fill: 'fillConnections',
  cancel: 'cancelScan',
  pause: 'pauseScan',
  restart: 'restartScan',
  mail: 'mailBurst',
  outage: 'outageOfEverything',
  expire: 'expireSubscriptions',
} as const;

/** The name under which deeds are counted, as in `killWorker` or `cutApiPostgres`. */
export function nameOf(act: Act): string {
  if (act.kind === 'kill' || act.kind === 'freeze') return camel(act.kind, act.target);
  if (act.kind === 'cut') return camel(act.kind, ...act.pair.split('-'));
  if (act.kind === 'session') return camel(act.how, 'session');
  if (act.kind === 'lifecycle') return camel(act.kind, act.event);
  if (act.kind !== 'graph') return NAMES[act.kind];
  const { effect } = act.rule;
  return camel('graph', effect.type === 'status' ? String(effect.status) : effect.type);
}

const camel = (first: string, ...rest: string[]): string =>
  first + rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');

type Span = readonly [least: number, most: number];

/** Longer than a heartbeat time-out and a lease together: a reader that is frozen so long wakes beside its successor. */
const LONG_FREEZE_MS: Span = [25_000, 45_000];
const GAP_MS: Span = [3_000, 11_000];
/** After half of the kills nothing else is done for a while, so that it shows how soon the product goes on. */
const QUIET_MS: Span = [15_000, 30_000];
const FIRST_MS = 2_000;

interface Card {
  readonly act: (random: Random) => Act;
  readonly forMs: Span;
}

const worker = (random: Random): number => random.between(0, 999);
const kill = (target: ProcessKind): Card => ({
  act: (random) => ({ kind: 'kill', target, worker: worker(random) }),
  forMs: [200, 4_000],
});
const freeze = (target: ProcessKind, forMs: Card['forMs']): Card => ({
  act: (random) => ({ kind: 'freeze', target, worker: worker(random) }),
  forMs,
});
const cut = (pair: Pair, forMs: Span = [1_000, 20_000]): Card => ({
  act: (random) => ({ kind: 'cut', pair, how: random.of(['refuse', 'swallow']), worker: worker(random) }),
  forMs,
});
const MAIL: Card = {
  act: (random) => ({ kind: 'mail', changes: random.between(20, 200), seed: random.between(1, 2 ** 31) }),
  forMs: [0, 0],
};
const once = (kind: 'cancel' | 'restart'): Card => ({ act: () => ({ kind }), forMs: [0, 0] });
const graph = (mostTimes: number, effect: (random: Random) => PlainEffect): Card => ({
  act: (random) => ({
    kind: 'graph',
    rule: { kind: 'messagesDelta', times: random.between(1, mostTimes), effect: effect(random) },
  }),
  forMs: [0, 0],
});

/** What happens to processes and to the network between them. */
const BREAKDOWNS: readonly Card[] = [
  ...[kill('worker'), kill('worker'), kill('worker'), kill('api')],
  ...[kill('postgres'), kill('postgres'), kill('temporal'), kill('temporal')],
  ...[freeze('worker', [2_000, 12_000]), freeze('worker', LONG_FREEZE_MS)],
  ...[freeze('api', [1_000, 8_000]), freeze('postgres', [1_000, 12_000]), freeze('temporal', [1_000, 12_000])],
  ...PAIRS.map((pair) => cut(pair)),
  { act: () => ({ kind: 'fill' }), forMs: [2_000, 8_000] },
];

/** What happens in Graph. */
const GRAPH: readonly Card[] = [
  MAIL,
  graph(12, (random) => ({ type: 'status', status: 429, retryAfter: random.between(1, 15) })),
  graph(12, (random) => ({ type: 'status', status: random.of([500, 502, 503, 504]) })),
  graph(2, () => ({ type: 'silence' })),
  graph(3, () => ({ type: 'expireLinks' })),
  graph(1, () => ({ type: 'revokeTokens' })),
  graph(4, () => ({ type: 'trickle' })),
];

/** What is dealt from, shuffled; when it is used up it is shuffled anew, so that every kind comes as often as it should. */
const DECK: readonly Card[] = [
  ...BREAKDOWNS,
  once('cancel'),
  { act: () => ({ kind: 'pause' }), forMs: [2_000, 10_000] },
  once('restart'),
  ...GRAPH,
];

const session = (how: SessionAct['how'], forMs: Span = [0, 0]): Card => ({
  act: () => ({ kind: 'session', how }),
  forMs,
});
const lifecycle = (event: LifecycleEvent): Card => ({ act: () => ({ kind: 'lifecycle', event }), forMs: [0, 0] });

/** The same for a session: its receiver out of reach, subscriptions that end, and what Graph says of them. */
const LIVE_DECK: readonly Card[] = [
  ...BREAKDOWNS,
  ...GRAPH,
  ...[session('restart'), session('stopDuringStart'), session('pause', [2_000, 10_000])],
  ...[cut('graph-api', [5_000, 40_000]), cut('graph-api')],
  { act: () => ({ kind: 'outage' }), forMs: [2_000, 8_000] },
  { act: () => ({ kind: 'expire' }), forMs: [0, 0] },
  ...[lifecycle('missed'), lifecycle('subscriptionRemoved'), lifecycle('reauthorizationRequired')],
];

/** The same for a session that hands on what it stores: those who take it fail as well, alone and together. */
const DELIVER_DECK: readonly Card[] = [
  ...BREAKDOWNS,
  MAIL,
  session('restart'),
  ...RECEIVERS.flatMap((target) => [
    kill(target),
    kill(target),
    freeze(target, [1_000, 12_000]),
    cut(`worker-${target}`),
  ]),
  { ...kill('redis'), forMs: [10_000, 30_000] },
  { ...kill('utility'), forMs: [10_000, 30_000] },
];

const DECKS = { scans: DECK, live: LIVE_DECK, deliver: DELIVER_DECK } as const;

export interface PlanOptions {
  readonly seed: number;
  readonly minutes: number;
  /** For scans, for a session, or for a session that hands on. Default: `scans`. */
  readonly deck?: keyof typeof DECKS;
}

/**
 * The plan of faults: a pure function of its options, in the order of time. No deed begins before the one before it
 * on the same target has ended, and all have ended when the minutes are over.
 */
export function planOf({ seed, minutes, deck = 'scans' }: PlanOptions): Deed[] {
  const random = randomFrom(seed);
  const endMs = minutes * 60_000;
  const deeds: Deed[] = [];
  const busyUntil = new Map<string, number>();
  let hand: Card[] = [];
  let atMs = FIRST_MS;
  while (atMs < endMs) {
    if (hand.length === 0) hand = random.shuffled(DECKS[deck]);
    const card = hand.pop() as Card;
    const deed = { ...card.act(random), atMs, forMs: random.between(...card.forMs) };
    const target = targetOf(deed);
    const fits = atMs >= (busyUntil.get(target) ?? 0) && atMs + deed.forMs <= endMs;
    if (fits) {
      busyUntil.set(target, atMs + deed.forMs);
      deeds.push(deed);
    }
    const isQuiet = fits && deed.kind === 'kill' && random.next() < 0.5;
    atMs += random.between(...(isQuiet ? QUIET_MS : GAP_MS));
  }
  return deeds;
}

/** What can suffer one deed at a time only. Workers share one, for the plan does not know how many there are. */
function targetOf(act: Act): string {
  if (act.kind === 'kill' || act.kind === 'freeze') return act.target;
  if (act.kind === 'cut') return act.pair;
  return act.kind === 'fill' ? 'postgres' : act.kind;
}
