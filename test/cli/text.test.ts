import { describe, expect, it } from 'vitest';
import { bar, figuresLine, figuresOf } from '../../cli/progress/figures.ts';
import { duration, elapsed } from '../../cli/text/numbers.ts';
import { safeJson, safeLine, safeText } from '../../cli/text/safe-text.ts';
import { fit, renderTable } from '../../cli/text/table.ts';
import { truncate } from '../../cli/text/width.ts';

const plain = { width: Number.POSITIVE_INFINITY, paint: (_style: string, text: string) => text };

describe('text of strangers', () => {
  const nasty = 'a\u001b[2Jb\u0007c\u009b31md\u202eevil\u2066\r\ne\tf\u0000\u007f';

  it('cannot carry a control character or a change of direction into a line', () => {
    expect(safeLine(nasty)).toBe('a�[2Jb�c�31md�evil� e f��');
  });

  it('stays the same JSON when it is made safe', () => {
    const text = safeJson({ subject: nasty });
    // eslint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e\u2066]/);
    expect(JSON.parse(text)).toEqual({ subject: nasty });
  });

  it('keeps its lines where several are wanted', () => {
    expect(safeText('a,b\r\n"c\u001b[0m",d\n')).toBe('a,b\r\n"c�[0m",d\n');
  });

  it('leaves every script and emoji as it is', () => {
    const text = '港 مرحبا שלום 👩‍👩‍👧‍👦 é';
    expect(safeLine(text)).toBe(text);
  });
});

describe('a table', () => {
  it('aligns columns by what a terminal shows, not by characters', () => {
    const table = renderTable(
      [{ title: 'NAME' }, { title: 'ROWS', align: 'right' }, { title: 'END' }],
      [
        ['日本語', 5, 'x'],
        ['ab', 12_345, null],
      ],
      plain,
    );
    expect(table.split('\n')).toEqual(['NAME     ROWS  END', '日本語      5  x', 'ab      12345']);
  });

  it('is cut to the width of the terminal, the widest column first', () => {
    const table = renderTable([{ title: 'A' }, { title: 'B' }], [['short', 'long '.repeat(30)]], {
      ...plain,
      width: 30,
    });
    for (const line of table.split('\n')) expect(line.length).toBeLessThanOrEqual(30);
    expect(table).toContain('short  long');
    expect(table).toContain('…');
  });

  it('cannot be broken by what is in it', () => {
    const table = renderTable([{ title: 'SUBJECT' }], [['two\nlines \u001b]0;title\u0007']], plain);
    expect(table.split('\n')).toHaveLength(2);
    expect(table).not.toContain('\u001b');
  });

  it('gives up making columns narrower where nothing would be left of them', () => {
    expect(fit([10, 10, 10], 12)).toEqual([6, 6, 6]);
    expect(fit([3, 50], 20)).toEqual([3, 15]);
  });
});

describe('a text that is too long', () => {
  it.each([
    ['abcdef', 6, 'abcdef'],
    ['abcdefg', 6, 'abcde…'],
    ['日本語日本語', 6, '日本…'],
    ['😀😀😀😀', 6, '😀😀…'],
    ['👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 3, '👩‍👩‍👧‍👦…'],
  ])('%s is cut to %i columns between characters', (text, width, cut) => {
    expect(truncate(text, width)).toBe(cut);
    expect(Buffer.from(cut).toString()).toBe(cut);
  });
});

describe('numbers', () => {
  it.each([
    [0, '0 s'],
    [59.6, '1 min 00 s'],
    [200, '3 min 20 s'],
    [3720, '1 h 02 min'],
    [183_600, '2 d 3 h'],
    [-5, '0 s'],
  ])('%d seconds are %s', (seconds, words) => expect(duration(seconds)).toBe(words));

  it('tells short times to a tenth of a second', () => {
    expect(elapsed(0.44)).toBe('0.4 s');
    expect(elapsed(12.6)).toBe('13 s');
  });
});

describe('progress', () => {
  const state = {
    mailboxes: { total: 50, running: 20, completed: 10, failed: 1, skipped: 1 },
    recordsExtracted: 34_567,
    messagesPerSecond: 1234.4,
    etaSeconds: 123,
  };

  it('tells mailboxes, messages, rate and time left', () => {
    expect(figuresLine(figuresOf(state))).toBe('12/50 mailboxes, 34,567 messages, 1,234 messages/s, 2 min 03 s left');
  });

  it('leaves out the time left while nothing can be said of it', () => {
    expect(figuresLine(figuresOf({ ...state, etaSeconds: null }))).toBe(
      '12/50 mailboxes, 34,567 messages, 1,234 messages/s',
    );
  });

  it('follows messages where their number is known, then the time left, then mailboxes', () => {
    expect(figuresOf(state, 69_134)).toMatchObject({ fraction: 0.5, secondsLeft: 34_567 / 1234.4 });
    expect(figuresOf({ ...state, messagesPerSecond: 100, etaSeconds: 345.67 }).fraction).toBeCloseTo(0.5);
    expect(figuresOf({ ...state, etaSeconds: null }).fraction).toBeCloseTo(0.24);
    expect(
      figuresOf({ ...state, etaSeconds: null, mailboxes: { ...state.mailboxes, total: 0 } }).fraction,
    ).toBeUndefined();
  });

  it('is never more than whole, even when more mail arrives than was counted', () => {
    expect(figuresOf(state, 30_000)).toMatchObject({ fraction: 1, secondsLeft: 0 });
  });

  it.each([
    [undefined, ''],
    [0, '░░░░░░░░   0 %'],
    [0.5, '████░░░░  50 %'],
    [0.999, '███████░  99 %'],
    [1, '████████ 100 %'],
  ])('draws %s as %s', (fraction, drawn) => expect(bar(fraction, 8)).toBe(drawn));
});
