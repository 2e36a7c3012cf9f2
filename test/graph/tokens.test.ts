import { describe, expect, test } from 'vitest';
import { GraphError } from '../../graph/errors.ts';
import { TokenSource, type IssuedToken } from '../../graph/tokens.ts';
import { failureOf, unhurried, type LogLine } from './support.ts';

/** A source whose tokens come from `lives`: how long each lives, or the error in its place. Time stands until moved. */
function source(...lives: readonly (number | Error)[]) {
  const clock = { now: 1_000_000 };
  const lines: LogLine[] = [];
  let asked = 0;
  const issue = async (): Promise<IssuedToken> => {
    const life = lives[Math.min(asked, lives.length - 1)] as number | Error;
    asked += 1;
    await new Promise((resolve) => setImmediate(resolve));
    if (life instanceof Error) throw life;
    return { value: `token-${asked}`, issuedAt: clock.now, expiresAt: clock.now + life };
  };
  const log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (facts: object, message: string) => void lines.push({ level: 'warn', facts: { ...facts }, message }),
  };
  const tokens = new TokenSource(issue, unhurried(), log, () => clock.now);
  return { tokens, asked: () => asked, lines, clock };
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DOWN = new GraphError('down', { kind: 'unavailable', code: 'HTTP503', status: 503 });

describe('The token of a connection', () => {
  test('is asked for once by 50 callers and used until it is old', async () => {
    const { tokens, asked } = source(HOUR);
    const values = await Promise.all(Array.from({ length: 50 }, () => tokens.token(unhurried())));
    expect(new Set(values)).toEqual(new Set(['token-1']));
    expect(await tokens.token(unhurried())).toBe('token-1');
    expect(asked()).toBe(1);
  });

  test('is renewed once when 50 callers are refused with it', async () => {
    const { tokens, asked } = source(HOUR);
    const refused = await tokens.token(unhurried());
    const values = await Promise.all(Array.from({ length: 50 }, () => tokens.renew(refused, unhurried())));
    expect(new Set(values)).toEqual(new Set(['token-2']));
    expect(await tokens.renew(refused, unhurried())).toBe('token-2');
    expect(asked()).toBe(2);
  });

  test('that may be older than the consent is renewed once by all who ask, a young one is not', async () => {
    const { tokens, asked, clock } = source(HOUR);
    const old = await tokens.token(unhurried());
    clock.now += MINUTE;
    expect(await tokens.newerThan(old, 2 * MINUTE, unhurried())).toBe(old);
    clock.now += MINUTE;
    const values = await Promise.all(Array.from({ length: 50 }, () => tokens.newerThan(old, 2 * MINUTE, unhurried())));
    expect(new Set(values)).toEqual(new Set(['token-2']));
    expect(await tokens.newerThan(old, 2 * MINUTE, unhurried())).toBe('token-2');
    expect(asked()).toBe(2);
  });

  test('is renewed five minutes before its end, while requests go on with the old one', async () => {
    const { tokens, asked, clock } = source(HOUR);
    await tokens.token(unhurried());
    clock.now += HOUR - 5 * MINUTE - 1;
    expect(await tokens.token(unhurried())).toBe('token-1');
    expect(asked()).toBe(1);
    clock.now += 1;
    expect(await tokens.token(unhurried())).toBe('token-1');
    expect(asked()).toBe(2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await tokens.token(unhurried())).toBe('token-2');
  });

  test('that lives for a minute is used for most of it', async () => {
    const { tokens, asked, clock } = source(MINUTE);
    await tokens.token(unhurried());
    clock.now += 44_000;
    await tokens.token(unhurried());
    expect(asked()).toBe(1);
    clock.now += 1_000;
    await tokens.token(unhurried());
    expect(asked()).toBe(2);
  });

  test('is waited for when the old one is at its end', async () => {
    const { tokens, clock } = source(HOUR);
    await tokens.token(unhurried());
    clock.now += HOUR - 30_000;
    expect(await tokens.token(unhurried())).toBe('token-2');
  });

  test('goes on working when it cannot be renewed, and Entra is not asked by every request', async () => {
    const { tokens, asked, lines, clock } = source(HOUR, DOWN, HOUR);
    await tokens.token(unhurried());
    clock.now += HOUR - 4 * MINUTE;
    for (let request = 0; request < 20; request += 1) {
      expect(await tokens.token(unhurried())).toBe('token-1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(asked()).toBe(2);
    const message = 'The token could not be renewed; the old one still works';
    expect(lines).toEqual([{ level: 'warn', facts: { code: 'HTTP503', status: 503 }, message }]);
    clock.now += 15_000;
    await tokens.token(unhurried());
    await new Promise((resolve) => setImmediate(resolve));
    expect(await tokens.token(unhurried())).toBe('token-3');
  });

  test('is not asked for before the end of the wait that Entra imposed', async () => {
    const throttled = new GraphError('slow down', { kind: 'throttled', code: 'HTTP429', retryAfterMs: 20_000 });
    const { tokens, asked, clock } = source(throttled, HOUR);
    expect(await failureOf(tokens.token(unhurried()))).toBe(throttled);
    clock.now += 15_000;
    const again = await failureOf(tokens.token(unhurried()));
    expect(again).toMatchObject({ kind: 'throttled', code: 'HTTP429', retryAfterMs: 5_000, cause: throttled });
    expect(asked()).toBe(1);
    clock.now += 5_000;
    expect(await tokens.token(unhurried())).toBe('token-2');
  });

  test('is not waited for by one who goes away', async () => {
    const { tokens } = source(HOUR);
    const controller = new AbortController();
    const asked = tokens.token(controller.signal);
    controller.abort(new Error('gone'));
    await expect(asked).rejects.toThrow('gone');
  });
});
