import { expect, it } from 'vitest';
import { isLoopback } from '../../model/loopback.ts';

it.each([
  ['localhost', true],
  ['sim.localhost', true],
  ['127.0.0.1', true],
  ['127.8.9.10', true],
  ['127.255.255.254', true],
  ['::1', true],
  ['[::1]', true],
  ['', false],
  ['0.0.0.0', false],
  ['::', false],
  ['128.0.0.1', false],
  ['127.0.0.256', false],
  ['localhost.example', false],
  ['notlocalhost', false],
  ['127.0.0.1.example', false],
])('Whether %j is this machine: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});
