import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Output } from '../../cli/output.ts';
import { createDisplay } from '../../cli/progress/display.ts';
import { Captured } from './fake-cli.ts';

describe('colours', () => {
  it.each([
    [{}, undefined, false],
    [{}, 80, true],
    [{ NO_COLOR: '1' }, 80, false],
    [{ NO_COLOR: '' }, 80, true],
    [{ FORCE_COLOR: '1' }, undefined, true],
    [{ FORCE_COLOR: '0' }, 80, false],
    [{ NO_COLOR: '1', FORCE_COLOR: '1' }, 80, false],
    [{ TERM: 'dumb' }, 80, false],
  ])('with %j and a width of %s: %s', (environment, columns, expected) => {
    const output = new Output(new Captured(columns), environment);
    expect(output.hasColours).toBe(expected);
    expect(output.paint('red', 'x')).toBe(expected ? '\u001b[31mx\u001b[0m' : 'x');
  });
});

describe('a status line', () => {
  it('is overwritten on a terminal, and gives way to lines that stay', () => {
    const stream = new Captured(80);
    const output = new Output(stream, {});
    output.setStatus('one');
    output.line('note');
    output.setStatus('');
    expect(stream.text).toBe('\rone\u001b[K\r\u001b[Knote\none\r\u001b[K');
  });

  it('never wraps', () => {
    const stream = new Captured(20);
    new Output(stream, {}).setStatus('x'.repeat(100));
    expect(stream.text).toBe(`\r${'x'.repeat(18)}…\u001b[K`);
  });

  it('does not exist where lines cannot be overwritten', () => {
    const stream = new Captured();
    new Output(stream, {}).setStatus('one');
    expect(stream.text).toBe('');
  });
});

describe('the display of progress', () => {
  it('prints a line every few seconds into a pipe, and none twice, without moving the cursor', () => {
    const stream = new Captured();
    let now = 0;
    const display = createDisplay(new Output(stream, {}), { everyMs: 5000, now: () => now });
    for (const [at, messages] of [
      [1000, 1],
      [5000, 2],
      [6000, 3],
      [10_000, 2],
      [11_000, 4],
    ] as const) {
      now = at;
      display.show(`${messages} messages`, 0.5);
    }
    display.end();
    expect(stream.text).toBe('2 messages\n4 messages\n');
  });

  it('has a bar on a terminal that is wide enough', () => {
    const [wide, narrow] = [new Captured(120), new Captured(70)];
    for (const stream of [wide, narrow]) createDisplay(new Output(stream, {})).show('7 messages', 0.5);
    expect(wide.text).toContain('█');
    expect(narrow.text).toBe('\r7 messages\u001b[K');
  });
});

describe('a reader that goes away', () => {
  it('is no error, and what is written then is dropped', async () => {
    const stream = new Captured();
    const output = new Output(stream, {});
    stream.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    output.line('lost');
    await output.write('lost');
    expect(output.isClosed).toBe(true);
    expect(stream.text).toBe('');
  });

  it('is waited for while it is slow, and not once it has gone', async () => {
    const slow = new PassThrough({ highWaterMark: 1 });
    const output = new Output(slow, {});
    let isWritten = false;
    const writing = output.write('much').then(() => (isWritten = true));
    await Promise.resolve();
    expect(isWritten).toBe(false);
    slow.destroy();
    await writing;
    expect(output.isClosed).toBe(true);
  });
});
