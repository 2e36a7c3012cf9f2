import { describe, expect, it } from 'vitest';
import { KeyRingError, generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { SealError } from '../../model/sealing.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const plain = Buffer.from('a secret of the tenant');

describe('a key ring', () => {
  it('opens what it sealed, for the same context only', () => {
    const ring = parseKeyRing(generateKey());
    const sealed = ring.seal(plain, 'connection/acme/1');
    expect(ring.open(sealed, 'connection/acme/1')).toEqual(plain);
    expect(() => ring.open(sealed, 'connection/acme/2')).toThrow(SealError);
    expect(ring.open(ring.seal(Buffer.alloc(0), ''), '')).toEqual(Buffer.alloc(0));
  });

  it('never seals the same way twice, and shows nothing of what it sealed', () => {
    const ring = parseKeyRing(generateKey());
    const [one, two] = [ring.seal(plain, 'c'), ring.seal(plain, 'c')];
    expect(one.equals(two)).toBe(false);
    expect(one.includes(plain)).toBe(false);
  });

  it('notices every altered byte, and what was cut or added', () => {
    const ring = parseKeyRing(generateKey());
    const sealed = ring.seal(plain, 'c');
    for (let at = 0; at < sealed.length; at++) {
      const altered = Buffer.from(sealed);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(() => ring.open(altered, 'c'), `byte ${at}`).toThrow(SealError);
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(() => ring.open(sealed.subarray(0, length), 'c'), `${length} bytes`).toThrow(SealError);
    }
    expect(() => ring.open(Buffer.concat([sealed, Buffer.of(0)]), 'c')).toThrow(SealError);
  });

  it('opens a view into larger memory', () => {
    const ring = parseKeyRing(generateKey());
    const sealed = ring.seal(plain, 'c');
    const memory = new Uint8Array(sealed.length + 20).fill(1);
    memory.set(sealed, 10);
    expect(ring.open(memory.subarray(10, 10 + sealed.length), 'c')).toEqual(plain);
  });

  it('rotates: seals with the newest key, opens with any it has, and with no other', () => {
    const [old, fresh] = [`old:${KEY}`, `new:${Buffer.alloc(32, 8).toString('base64')}`];
    const sealed = parseKeyRing(old).seal(plain, 'c');
    const both = parseKeyRing(`${fresh},${old}`);
    expect(both.currentKeyId).toBe('new');
    expect(both.open(sealed, 'c')).toEqual(plain);
    expect(parseKeyRing(fresh).open(both.seal(plain, 'c'), 'c')).toEqual(plain);
    expect(() => parseKeyRing(fresh).open(sealed, 'c')).toThrow(/"old", which the key ring does not hold. Put it back/);
  });

  it('is read from lines or commas, with spaces around', () => {
    expect(parseKeyRing(` a:${KEY} ,\n b:${KEY}\n\n`).currentKeyId).toBe('a');
  });

  it.each([
    ['', /empty/],
    [KEY, /Key 1 .*id:base64/],
    [`a:${KEY},${KEY}`, /Key 2 .*id:base64/],
    [`a b:${KEY}`, /Key 1 /],
    [`a:${KEY},a:${KEY}`, /two keys named "a"/],
    [`a:${Buffer.alloc(16, 7).toString('base64')}`, /"a".*32 bytes, but has 16/],
    ['a:', /has 0/],
  ])('says what is wrong without a key in the words (%#)', (text, words) => {
    const fail = (): unknown => parseKeyRing(text);
    expect(fail).toThrow(KeyRingError);
    expect(fail).toThrow(words);
    expect(fail).not.toThrow(KEY.slice(0, 8));
  });
});

describe('a generated key', () => {
  it('is one line that a key file can hold, with the day in its id', () => {
    const line = generateKey(new Date('2026-11-21T10:00:00Z'));
    expect(line).toMatch(/^k20261121-[0-9a-f]{4}:[A-Za-z0-9+/]{43}=$/);
    expect(generateKey()).not.toBe(generateKey());
  });
});
