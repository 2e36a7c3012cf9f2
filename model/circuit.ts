/**
 * A destination's circuit. `closed`: everything is sent. `open`: so many attempts in a row have failed that nothing is sent
 * until `until`. `half_open`: one attempt is on its way, to see; should it get lost, another may be made at `until`.
 * Times are ms since 1970.
 */
export type Circuit =
  | { readonly state: 'closed'; readonly failures: number }
  | { readonly state: 'open'; readonly since: number; readonly until: number; readonly openings: number }
  | { readonly state: 'half_open'; readonly since: number; readonly until: number; readonly openings: number };

/** Failures in a row that open a circuit. */
export const FAILURES = 5;

export const CLOSED: Circuit = { state: 'closed', failures: 0 };

/**
 * `answered`: the destination is there, whatever it said. `failed`: no answer, no answer in time, or one that says that it
 * is not well. `probing`: somebody takes the one attempt that is allowed now.
 */
export type CircuitEvent = 'answered' | 'failed' | 'probing';

export interface CircuitLimits {
  /** Failures in a row that open the circuit. Default 5. */
  readonly failures?: number;
  /** How long it stays open at first; twice as long each time after. Default 5,000. */
  readonly openMs?: number;
  /** The longest that it stays open. Default 60,000. */
  readonly longestMs?: number;
  /** How long a probe may take. Default 60,000. */
  readonly probeMs?: number;
}

/** What may be sent now: all, one to see (tell it that you do: `probing`), or nothing for so many ms. */
export type CircuitAnswer = { readonly send: 'all' | 'one' } | { readonly send: 'nothing'; readonly waitMs: number };

export function mayAttempt(circuit: Circuit, now: number): CircuitAnswer {
  if (circuit.state === 'closed') return { send: 'all' };
  return now >= circuit.until ? { send: 'one' } : { send: 'nothing', waitMs: circuit.until - now };
}

/** The circuit after an event. What was sent before it opened, and fails only now, changes nothing. */
export function circuitAfter(
  circuit: Circuit,
  event: CircuitEvent,
  now: number,
  { failures = FAILURES, openMs = 5_000, longestMs = 60_000, probeMs = 60_000 }: CircuitLimits = {},
): Circuit {
  if (event === 'answered') return CLOSED;
  if (circuit.state === 'closed') {
    if (event === 'probing') return circuit;
    const inARow = circuit.failures + 1;
    if (inARow < failures) return { state: 'closed', failures: inARow };
    return { state: 'open', since: now, until: now + openMs, openings: 1 };
  }
  const { since, openings } = circuit;
  if (event === 'probing') {
    return now >= circuit.until ? { state: 'half_open', since, until: now + probeMs, openings } : circuit;
  }
  if (circuit.state === 'open') return circuit;
  return { state: 'open', since, until: now + Math.min(openMs * 2 ** openings, longestMs), openings: openings + 1 };
}
