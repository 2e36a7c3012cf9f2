import type { Readable } from 'node:stream';
import { HttpError } from './errors.ts';
import type { Answer, Conditions } from './route.ts';

/** Bytes of something, the first and the last included, as HTTP counts them. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The part that the header `Range` asks for. What is no range, or names several, asks for the whole, as HTTP allows.
 * Source: https://www.rfc-editor.org/rfc/rfc9110#section-14.2
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | 'whole' | 'unsatisfiable' {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/i.exec(header?.replace(/\s/g, '') ?? '') ?? [];
  if (first === '' && last === '') return 'whole';
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return 'whole';
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}

/** Whether the header `If-None-Match` names what the client would get, so that it need not be sent. */
export function isKnown(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === '*' || header.split(',').some((known) => known.trim().replace(/^W\//, '') === etag);
}

/**
 * Bytes as the conditions of a request ask for them: all, a part, or none, for they are known.
 * @throws {HttpError} 416
 */
export function bytesOf(
  { size, headers, conditions = {} }: BytesText,
  open: (range: ByteRange | undefined) => Promise<Readable>,
): Answer {
  const { ETag: etag } = headers;
  if (isKnown(conditions.ifNoneMatch, etag)) return { status: 304, headers: { ETag: etag } };
  const isSame = conditions.ifRange === undefined || conditions.ifRange === etag;
  const range = isSame ? rangeOf(conditions.range, size) : 'whole';
  if (range === 'unsatisfiable') {
    throw new HttpError(416, `The range lies outside of the ${size} bytes`, {
      headers: { 'Content-Range': `bytes */${size}` },
    });
  }
  if (range === 'whole') {
    return { status: 200, headers: { ...headers, 'Content-Length': String(size) }, open: () => open(undefined) };
  }
  const { start, end } = range;
  return {
    status: 206,
    headers: {
      ...headers,
      'Content-Range': `bytes ${start}-${end}/${size}`,
      'Content-Length': String(end - start + 1),
    },
    open: () => open(range),
  };
}

interface BytesText {
  readonly size: number;
  readonly headers: Readonly<Record<string, string>> & { readonly ETag: string };
  readonly conditions?: Conditions | undefined;
}
