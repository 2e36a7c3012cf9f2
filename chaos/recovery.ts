import type { Event } from './timeline.ts';

/** A fault that was done: from when to when, by the machine's clock. */
export interface Incident {
  readonly name: string;
  readonly from: number;
  /** When what was taken away was back: a killed process ready, a frozen one let go, the network whole. */
  readonly to: number;
}

/** How long the product took to go on after a killed process had come back. */
export interface Recovery {
  readonly name: string;
  readonly seconds: number;
}

/**
 * From the return of each killed process to the next progress: a page stored, a mailbox or a scan ended. Kills after
 * which no scan ran say nothing. Where another fault stood between the two, time counts from that one's end.
 */
export function recoveriesOf(
  kills: readonly Incident[],
  { events, incidents }: { readonly events: readonly Event[]; readonly incidents: readonly Incident[] },
): Recovery[] {
  const running = runningTimes(events);
  return kills.flatMap(({ name, to }) => {
    const span = running.find(({ from, until }) => from <= to && to < until);
    const progress = events.find(({ at, kind }) => at > to && kind !== 'round');
    if (!span || !progress || progress.at > span.until) return [];
    const others = incidents.filter((one) => one.from < progress.at && one.to > to && one.to <= progress.at);
    const since = Math.max(to, ...others.map((one) => one.to));
    return [{ name, seconds: (progress.at - since) / 1000 }];
  });
}

/** When at least one scan was running: it had work left then. Its end belongs to it, for that is progress. */
function runningTimes(events: readonly Event[]): { from: number; until: number }[] {
  const running = new Set<number | null>();
  const times: { from: number; until: number }[] = [];
  for (const { kind, at, scanNo, state } of events) {
    if (kind !== 'scan') continue;
    if (state === 'running') {
      if (running.size === 0) times.push({ from: at, until: Infinity });
      running.add(scanNo);
    } else if (running.delete(scanNo) && running.size === 0) {
      times[times.length - 1]!.until = at;
    }
  }
  return times;
}

/** The middle and the worst of them, in seconds with one decimal; null where there are none. */
export function medianAndWorst(recoveries: readonly Recovery[]): { median: number | null; worst: number | null } {
  const sorted = recoveries.map(({ seconds }) => seconds).sort((a, b) => a - b);
  if (sorted.length === 0) return { median: null, worst: null };
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
  return { median: round(median), worst: round(sorted.at(-1)!) };
}

const round = (seconds: number): number => Math.round(seconds * 10) / 10;
