import type { JsonObject } from '../mail/bytes.ts';
import { faults } from './fault.ts';

/** The object that a request brings. @throws GraphFault 400 where it brings none. */
export function readObject(body: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString());
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw faults.badRequest(
    'Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.',
  );
}
