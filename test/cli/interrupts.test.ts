import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Interrupted, listenForInterrupts } from '../../cli/interrupts.ts';

function listen() {
  const source = new EventEmitter();
  const exits: number[] = [];
  const clock = { now: 0 };
  const interrupts = listenForInterrupts({ source, exit: (code) => exits.push(code), now: () => clock.now });
  return { source, exits, interrupts, clock };
}

describe('signals', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('the first %s asks to end in order', (signal, exitCode) => {
    const { source, exits, interrupts } = listen();
    source.emit(signal);
    expect(interrupts.signal.reason).toBeInstanceOf(Interrupted);
    expect(interrupts.signal.reason).toMatchObject({ signal, exitCode });
    expect(exits).toEqual([]);
  });

  it('the second one ends at once, after what must be done first', () => {
    const { source, exits, interrupts, clock } = listen();
    const done: string[] = [];
    interrupts.atOnce(() => done.push('killed'));
    source.emit('SIGINT');
    expect(done).toEqual([]);
    clock.now = 3000;
    source.emit('SIGINT');
    expect(done).toEqual(['killed']);
    expect(exits).toEqual([130]);
  });

  it('what was begun last is ended first, and what cannot be ended keeps nothing else from it', () => {
    const { source, exits, interrupts, clock } = listen();
    const done: string[] = [];
    interrupts.atOnce(() => done.push('folder removed'));
    interrupts.atOnce(() => {
      throw new Error('gone already');
    });
    interrupts.atOnce(() => done.push('service killed'));
    source.emit('SIGINT');
    clock.now = 3000;
    source.emit('SIGINT');
    expect(done).toEqual(['service killed', 'folder removed']);
    expect(exits).toEqual([130]);
  });

  it('one Ctrl-C that npm passes on a moment later counts once', () => {
    const { source, exits, clock } = listen();
    source.emit('SIGINT');
    clock.now = 20;
    source.emit('SIGINT');
    expect(exits).toEqual([]);
  });

  it('are left alone after the command', () => {
    const { source, interrupts } = listen();
    interrupts.dispose();
    expect(source.eventNames()).toEqual([]);
  });
});
