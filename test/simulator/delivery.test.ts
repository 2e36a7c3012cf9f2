import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { drained } from '../../simulator/delivery.ts';

const EVENTS = ['drain', 'close', 'error'];

test.each(['drain', 'close'])(
  'waiting for an answer to go out ends with "%s" and leaves no listener',
  async (event) => {
    const response = new EventEmitter();
    const waiting = drained(response);
    response.emit(event);
    await waiting;
    expect(EVENTS.map((name) => response.listenerCount(name))).toEqual([0, 0, 0]);
  },
);
