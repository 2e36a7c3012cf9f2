import type { Json, JsonObject } from '../mail/bytes.ts';
import type { Content } from '../mail/content.ts';
import type { GraphFault } from './fault.ts';

/**
 * An answer before it is written: the body in parts that are sent one after the other, none of them copied, and large
 * ones made while they are sent.
 */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: readonly Content[];
  /** How it is sent, where not in one go. */
  delivery?: Delivery;
}

/** An odd way to send an answer, or none. */
export type Delivery =
  | { type: 'reset'; moment: 'before' | 'during' | 'after' }
  /** `bytes` every so many milliseconds. */
  | { type: 'trickle'; bytes: number; every: number }
  | { type: 'silence' };

/** The content type of Graph's JSON. */
export const GRAPH_JSON =
  'application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8';

/** A 200 with a JSON value. */
export function jsonAnswer(value: Json, headers: Record<string, string> = {}): Answer {
  return {
    status: 200,
    headers: { 'content-type': GRAPH_JSON, ...headers },
    body: [Buffer.from(JSON.stringify(value))],
  };
}

/** A 204. */
export function emptyAnswer(): Answer {
  return { status: 204, headers: {}, body: [] };
}

/** A 200 with text. */
export function textAnswer(text: string): Answer {
  return { status: 200, headers: { 'content-type': 'text/plain' }, body: [Buffer.from(text)] };
}

/** A 200 with bytes of some type. */
export function bytesAnswer(content: Content, contentType: string): Answer {
  return { status: 200, headers: { 'content-type': contentType }, body: [content] };
}

/**
 * A 200 with a collection whose items are already bytes: `items` holds them with commas between, in parts. `before` are
 * the annotations.
 */
export function collectionAnswer(context: string, before: JsonObject, items: readonly Uint8Array[]): Answer {
  const head = JSON.stringify({ '@odata.context': context, ...before });
  return {
    status: 200,
    headers: { 'content-type': GRAPH_JSON },
    body: [Buffer.from(`${head.slice(0, -1)},"value":[`), ...items, Buffer.from(']}')],
  };
}

/** The answer that a fault is sent as. */
export function faultAnswer(fault: GraphFault, ids: { requestId: string; clientRequestId: string }): Answer {
  const innerError = {
    date: new Date().toISOString().slice(0, 19),
    'request-id': ids.requestId,
    'client-request-id': ids.clientRequestId,
  };
  const answer = jsonAnswer({ error: { code: fault.code, message: fault.message, innerError } }, { ...fault.headers });
  return { ...answer, status: fault.status };
}
