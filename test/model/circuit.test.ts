import { describe, expect, it } from 'vitest';
import { CLOSED, circuitAfter, mayAttempt, type Circuit, type CircuitEvent } from '../../model/circuit.ts';

const after = (circuit: Circuit, now: number, ...events: CircuitEvent[]): Circuit =>
  events.reduce((state, event) => circuitAfter(state, event, now), circuit);
const open = after(CLOSED, 1_000, 'failed', 'failed', 'failed', 'failed', 'failed');

describe('a circuit', () => {
  it('lets all through while there are answers between the failures', () => {
    const circuit = after(CLOSED, 0, 'failed', 'failed', 'failed', 'failed', 'answered', 'failed');
    expect(circuit).toEqual({ state: 'closed', failures: 1 });
    expect(mayAttempt(circuit, 0)).toEqual({ send: 'all' });
  });

  it('opens after five failures in a row, and lets nothing through until its time', () => {
    expect(open).toEqual({ state: 'open', since: 1_000, until: 6_000, openings: 1 });
    expect(mayAttempt(open, 2_000)).toEqual({ send: 'nothing', waitMs: 4_000 });
    expect(mayAttempt(open, 6_000)).toEqual({ send: 'one' });
  });

  it('is not opened longer by what was sent before it opened', () => {
    expect(after(open, 2_000, 'failed', 'failed')).toEqual(open);
  });

  it('lets one through to see, and no second one', () => {
    expect(after(open, 2_000, 'probing')).toEqual(open);
    const probed = after(open, 7_000, 'probing');
    expect(probed).toMatchObject({ state: 'half_open', since: 1_000 });
    expect(mayAttempt(probed, 7_000)).toMatchObject({ send: 'nothing' });
    expect(mayAttempt(probed, 67_000), 'a probe that got lost').toEqual({ send: 'one' });
    expect(after(probed, 67_000, 'probing')).toMatchObject({ state: 'half_open', until: 127_000 });
  });

  it('closes with an answer, and stays open twice as long after each failure, up to a minute', () => {
    expect(after(open, 7_000, 'probing', 'answered')).toEqual(CLOSED);
    let circuit = open;
    const pauses: number[] = [];
    for (let time = 0; time < 6; time++) {
      const now = circuit.state === 'closed' ? 0 : circuit.until;
      circuit = after(circuit, now, 'probing', 'failed');
      const answer = mayAttempt(circuit, now);
      if (answer.send === 'nothing') pauses.push(answer.waitMs);
    }
    expect(pauses).toEqual([10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
    expect(circuit).toMatchObject({ state: 'open', since: 1_000 });
  });
});
