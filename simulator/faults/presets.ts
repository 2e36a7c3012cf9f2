import type { ExchangeEffect, FaultPreset, FaultRule } from './fault-rule.ts';

/** What a bad day brings, each as often as it stands here. Waits are short: they are to be obeyed, not to be sat out. */
const MIXED: readonly ExchangeEffect[] = [
  { type: 'status', status: 429, retryAfter: 1 },
  { type: 'status', status: 429, retryAfter: 0.35 },
  { type: 'status', status: 429, code: 'TooManyRequests' },
  { type: 'status', status: 500 },
  { type: 'status', status: 500, body: 'empty' },
  { type: 'status', status: 502, body: 'html' },
  { type: 'status', status: 503, retryAfter: 1 },
  { type: 'status', status: 504, code: 'UnknownError' },
  { type: 'reset', moment: 'before' },
  { type: 'reset', moment: 'during' },
  { type: 'reset', moment: 'after' },
  { type: 'truncate' },
  { type: 'truncate', error: { code: 'ErrorInternalServerError' } },
  { type: 'delay', milliseconds: 2_000 },
];

/** The rules that a preset stands for. */
export function rulesOf({ preset: _preset, rate = 0.02, ...scope }: FaultPreset): FaultRule[] {
  return [{ ...scope, rate, effect: { type: 'oneOf', effects: MIXED } }];
}
