import { GraphError } from './errors.ts';

/**
 * An id as one segment of a path, percent-encoded.
 * @throws GraphError `bad_request` for what no path can hold: nothing, dot segments, lone surrogates
 */
export function segment(id: string): string {
  if (id === '' || id === '.' || id === '..') throw unusable();
  try {
    return encodeURIComponent(id).replace(/['()!*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
  } catch (cause) {
    throw unusable(cause);
  }
}

/** A path with its query. Names are OData's and stay as they are; values are encoded; undefined ones are left out. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value)).replaceAll('%2C', ',')}`);
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}

function unusable(cause?: unknown): GraphError {
  return new GraphError('An id cannot be part of a path', { kind: 'bad_request', code: 'InvalidRequest', cause });
}
