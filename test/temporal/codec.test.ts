import { ApplicationFailure, defaultPayloadConverter, type Payload } from '@temporalio/common';
import { decodeFailure, encodeFailure, loadDataConverter } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { describe, expect, it } from 'vitest';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { SealError } from '../../model/sealing.ts';
import { ENCODING, EncryptionCodec } from '../../temporal/codec.ts';
import { createDataConverter } from '../../temporal/data-converter.ts';

const [oldKey, newKey] = [generateKey(new Date('2025-01-01')), generateKey(new Date('2026-01-01'))];
const codecOf = (...keys: string[]): EncryptionCodec => new EncryptionCodec(parseKeyRing(keys.join(',')));
const idOf = (key: string): string => key.slice(0, key.indexOf(':'));
const codec = codecOf(newKey);

const VALUES = [
  { subject: 'Quarterly figures', count: 3, nested: { names: ['Zoë', '日本'] } },
  'text',
  0,
  false,
  null,
  undefined,
  [],
  new Uint8Array([0, 255, 128]),
] as const;
const payloads = (): Payload[] => VALUES.map((value) => defaultPayloadConverter.toPayload(value));

const one = async (encoded: Promise<Payload[]>): Promise<Payload> => {
  const [payload, ...more] = await encoded;
  if (!payload || more.length > 0) throw new Error('not one payload');
  return payload;
};
const sealed = (by = codec): Promise<Payload> =>
  one(by.encode([defaultPayloadConverter.toPayload('Quarterly figures')]));

describe('a payload', () => {
  it('comes back as it was, whatever it holds, in its place', async () => {
    const back = await codec.decode(await codec.encode(payloads()));
    expect(back.map((payload) => defaultPayloadConverter.fromPayload(payload))).toEqual(VALUES);
  });

  it('keeps the metadata that others have put there', async () => {
    const payload = {
      metadata: { encoding: Buffer.from('json/plain'), type: Buffer.from('x') },
      data: Buffer.from('1'),
    };
    const { metadata } = await one(codec.decode(await codec.encode([payload])));
    expect(Buffer.from(metadata?.['type'] ?? []).toString()).toBe('x');
  });

  it('shows in the clear that it is encrypted and under which key, and nothing else', async () => {
    const { metadata, data, ...rest } = await sealed();
    expect(rest).toEqual({});
    expect(Object.keys(metadata ?? {})).toEqual(['encoding']);
    expect(Buffer.from(metadata?.['encoding'] ?? []).toString()).toBe(ENCODING);
    const bytes = Buffer.from(data ?? []);
    expect(bytes.includes(idOf(newKey))).toBe(true);
    for (const hidden of ['Quarterly', 'json/plain', 'encoding']) expect(bytes.includes(hidden), hidden).toBe(false);
  });

  it('looks different each time it is sealed', async () => {
    const [first, second] = await codec.encode([...payloads().slice(0, 1), ...payloads().slice(0, 1)]);
    expect(Buffer.compare(first?.data ?? Buffer.of(), second?.data ?? Buffer.of())).not.toBe(0);
  });

  it('that was never sealed is passed on as it is', async () => {
    const clear = payloads();
    expect(await codec.decode(clear)).toEqual(clear);
  });
});

describe('a sealed payload', () => {
  it('cannot be opened with another key of the same name', async () => {
    const forged = `${idOf(newKey)}${oldKey.slice(oldKey.indexOf(':'))}`;
    await expect(codecOf(forged).decode([await sealed()])).rejects.toThrow(SealError);
  });

  it.each([
    ['one bit is changed', (data: Buffer) => Buffer.from(data.map((byte, at) => (at === 40 ? byte ^ 1 : byte)))],
    ['its end is missing', (data: Buffer) => data.subarray(0, -1)],
    ['nearly all of it is missing', (data: Buffer) => data.subarray(0, 3)],
  ])('cannot be opened when %s', async (_, alter) => {
    const { metadata, data } = await sealed();
    const altered = { metadata: metadata ?? {}, data: alter(Buffer.from(data ?? [])) };
    await expect(codec.decode([altered])).rejects.toThrow(SealError);
  });

  it('cannot be opened where something else was sealed for another purpose under the same key', async () => {
    const data = parseKeyRing(newKey).seal(Buffer.from('a client secret'), 'connection');
    await expect(codec.decode([{ metadata: { encoding: Buffer.from(ENCODING) }, data }])).rejects.toThrow(SealError);
  });

  it('stays readable while its key is in the ring, and new ones are sealed under the newest', async () => {
    const before = await sealed(codecOf(oldKey));
    const rotated = codecOf(newKey, oldKey);
    expect(defaultPayloadConverter.fromPayload(await one(rotated.decode([before])))).toBe('Quarterly figures');
    const after = await sealed(rotated);
    expect(Buffer.from(after.data ?? []).includes(idOf(newKey))).toBe(true);
    expect(defaultPayloadConverter.fromPayload(await one(codecOf(newKey).decode([after])))).toBe('Quarterly figures');
  });

  it('says which key is missing once its key has left the ring', async () => {
    const before = await sealed(codecOf(oldKey));
    const failure: unknown = await codecOf(newKey)
      .decode([before])
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'SealError', missingKeyId: idOf(oldKey) });
    expect(String(failure)).not.toContain(oldKey.slice(oldKey.indexOf(':') + 1));
  });
});

describe('a failure', () => {
  const converter = loadDataConverter(createDataConverter(parseKeyRing(newKey)));
  const cause = new Error('ada@harbour.example could not be read');
  const failure = ApplicationFailure.create({
    message: 'Mail of Ada',
    type: 'GraphError',
    details: ['Subject'],
    cause,
  });

  it('shows its type in the clear, and neither message, stack, details nor cause', async () => {
    const converted = converter.failureConverter.errorToFailure(failure, converter.payloadConverter);
    const encoded = await encodeFailure(converter.payloadCodecs, converted);
    const text = JSON.stringify(encoded) + everyByte(encoded);
    for (const hidden of ['Ada', 'ada@', 'Subject', 'codec.test']) expect(text, hidden).not.toContain(hidden);
    expect(encoded.applicationFailureInfo?.type).toBe('GraphError');

    const decoded = await decodeFailure(converter.payloadCodecs, encoded);
    const back = converter.failureConverter.failureToError(decoded, converter.payloadConverter);
    expect(back).toMatchObject({ message: 'Mail of Ada', type: 'GraphError', details: ['Subject'] });
    expect((back.cause as Error).message).toBe(cause.message);
    expect(back.stack).toContain('codec.test');
  });
});

/** What the bytes anywhere in a value say. */
function everyByte(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (typeof value !== 'object' || value === null) return '';
  return Object.values(value).map(everyByte).join('\n');
}
