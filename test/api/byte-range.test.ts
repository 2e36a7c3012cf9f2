import { describe, expect, it } from 'vitest';
import { isKnown, rangeOf } from '../../api/byte-range.ts';

describe('the header Range', () => {
  it('asks for a part, both ends included', () => {
    expect(rangeOf('bytes=0-0', 10)).toEqual({ start: 0, end: 0 });
    expect(rangeOf('bytes=2-5', 10)).toEqual({ start: 2, end: 5 });
    expect(rangeOf('bytes=2-', 10)).toEqual({ start: 2, end: 9 });
    expect(rangeOf('bytes=2-99', 10)).toEqual({ start: 2, end: 9 });
    expect(rangeOf('Bytes = 2 - 5', 10)).toEqual({ start: 2, end: 5 });
  });

  it('asks for the last bytes', () => {
    expect(rangeOf('bytes=-3', 10)).toEqual({ start: 7, end: 9 });
    expect(rangeOf('bytes=-99', 10)).toEqual({ start: 0, end: 9 });
  });

  it('asks for what is not there', () => {
    for (const header of ['bytes=10-', 'bytes=10-12', 'bytes=-0', `bytes=${'9'.repeat(400)}-`]) {
      expect(rangeOf(header, 10), header).toBe('unsatisfiable');
    }
    for (const header of ['bytes=0-', 'bytes=-1']) expect(rangeOf(header, 0), header).toBe('unsatisfiable');
  });

  it('asks for the whole where it is none, or several', () => {
    for (const header of [
      undefined,
      '',
      'bytes',
      'bytes=',
      'bytes=-',
      'bytes=5-2',
      'bytes=0-1,3-4',
      'lines=0-1',
      'x',
    ]) {
      expect(rangeOf(header, 10), header).toBe('whole');
    }
  });
});

describe('the header If-None-Match', () => {
  it('names what is known', () => {
    for (const header of ['"a"', 'W/"a"', '"b", "a"', '*']) expect(isKnown(header, '"a"'), header).toBe(true);
    for (const header of [undefined, '', '"b"', 'a']) expect(isKnown(header, '"a"'), header).toBe(false);
  });
});
