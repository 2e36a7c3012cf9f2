/**
 * A string whose character codes are the bytes of a UTF-8 text. Pages are put together from such strings, because
 * joining them and writing them as `latin1` is a plain copy, several times faster than encoding text again and again.
 */
export type Bytes = string;

/** A JSON value. */
export type Json = string | number | boolean | null | Json[] | JsonObject;
export type JsonObject = { [name: string]: Json };

/** The UTF-8 bytes of a text. */
export function utf8(text: string): Bytes {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The bytes of a value's JSON text. Lone surrogates and control characters leave as `\u` escapes. */
export function jsonBytes(value: Json): Bytes {
  return utf8(JSON.stringify(value));
}

/** The bytes of a text as they stand inside a JSON string, without its quotes. */
export function jsonInner(text: string): Bytes {
  return jsonBytes(text).slice(1, -1);
}

/** Reads JSON bytes back into a value. */
export function parseBytes(bytes: Bytes): JsonObject {
  return JSON.parse(Buffer.from(bytes, 'latin1').toString('utf8')) as JsonObject;
}
