import { hash, seedFor } from '../mail/rng.ts';
import type { FlowKind } from './flow.ts';

/** A flow of mail: how much of what, where, and for how long. */
export interface FlowOptions {
  /** Default 1. The same seed makes the same changes at the same times to the same tenant. */
  seed?: number;
  /** The first so many readable mailboxes, or these (user ids or principal names). Default: all. */
  mailboxes?: number | readonly string[];
  /** Changes a minute over all mailboxes, bursts apart; 0 for bursts alone. */
  ratePerMinute: number;
  /** Arrivals on top, evenly over the first `overSeconds` of every `everySeconds`, from the start on. */
  burst?: { everySeconds: number; messages: number; overSeconds: number };
  /** How often each kind comes, as weights. Default: arrivals only. */
  mix?: Partial<Record<FlowKind, number>>;
  /** How long it lasts. */
  seconds: number;
}

/** One change of a flow, so many milliseconds after its start. */
export interface FlowTurn {
  atMs: number;
  kind: FlowKind;
}

/** Every change of a flow in the order of its times. */
export function plannedTurns(options: FlowOptions): FlowTurn[] {
  return [...steadyTurns(options), ...burstTurns(options)].sort((a, b) => a.atMs - b.atMs);
}

/** One in each stretch of time that the rate allows one, somewhere in it. */
function steadyTurns({ seed = 1, ratePerMinute, mix = { arrive: 1 }, seconds }: FlowOptions): FlowTurn[] {
  const [times, kinds] = [seedFor(seed, 'flow times'), seedFor(seed, 'flow kinds')];
  const count = Math.floor((ratePerMinute * seconds) / 60);
  return Array.from({ length: count }, (_, turn) => ({
    atMs: ((turn + fraction(times, turn)) * 60_000) / ratePerMinute,
    kind: kindOf(mix, fraction(kinds, turn)),
  }));
}

function burstTurns({ burst, seconds }: FlowOptions): FlowTurn[] {
  if (!burst) return [];
  const turns: FlowTurn[] = [];
  for (let start = 0; start < seconds; start += burst.everySeconds) {
    for (let message = 0; message < burst.messages; message++) {
      const at = start + (message / burst.messages) * burst.overSeconds;
      if (at < seconds) turns.push({ atMs: at * 1000, kind: 'arrive' });
    }
  }
  return turns;
}

function kindOf(mix: Partial<Record<FlowKind, number>>, drawn: number): FlowKind {
  const entries = Object.entries(mix) as [FlowKind, number][];
  const total = entries.reduce((sum, [, weight]) => sum + weight, 0);
  let left = drawn * total;
  for (const [kind, weight] of entries) {
    if (left < weight) return kind;
    left -= weight;
  }
  return 'arrive';
}

function fraction(seed: number, index: number): number {
  return hash(seed, index) / 0x80000000;
}
