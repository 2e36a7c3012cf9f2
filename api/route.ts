import type { Readable } from 'node:stream';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { badRequest, type FaultDetail } from './errors.ts';
import type { Principal } from './principal.ts';

/** Bytes that are sent as they come; none where a client knows them. */
export interface BytesAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly open?: () => Promise<Readable>;
}

/** What a route answers: JSON, CSV that is sent as it comes, text of some other kind, or bytes. */
export type Answer = { readonly status: number } & (
  | { readonly body: object }
  | { readonly csv: AsyncIterable<string> }
  | { readonly text: string; readonly contentType: string }
  | BytesAnswer
);

/** Who calls, and where to log it. */
export interface Caller {
  readonly principal: Principal;
  /** Puts the request's id into every line. */
  readonly log: Logger;
  /** The header `Accept`. */
  readonly accept?: string | undefined;
  readonly conditions?: Conditions | undefined;
}

/** The headers that ask for a part, or for what is not known yet. */
export interface Conditions {
  readonly range?: string | undefined;
  readonly ifRange?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  /** The last event that a reader of a stream has seen. */
  readonly lastEventId?: string | undefined;
}

/** The parts of a request that a route may want, before they are checked. */
export interface RawRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

export type RouteTag =
  | 'Scans'
  | 'Schedules'
  | 'Sessions'
  | 'Results'
  | 'Messages'
  | 'Destinations'
  | 'Dead letters'
  | 'Redis queue'
  | 'Contacts'
  | 'Maintenance'
  | 'Pipeline'
  | 'Keys'
  | 'Connections'
  | 'Quarantine';
export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

export interface DocumentedAnswer {
  readonly description: string;
  /** Of JSON. */
  readonly schema?: z.ZodType;
  /** It is bytes of any type. */
  readonly binary?: true;
  /** It may come as CSV as well. */
  readonly csv?: true;
  /** It may come in these types of text as well. */
  readonly text?: readonly string[];
}

/** What documents a route and checks its requests. */
interface RouteText {
  readonly method: Method;
  /** As OpenAPI writes it: `/api/v1/scan/{scanId}/status`. */
  readonly path: `/${string}`;
  readonly tag: RouteTag;
  readonly summary: string;
  readonly description?: string;
  /** `public`: needs no key. */
  readonly access: 'public' | 'key' | 'administrator';
  readonly answers: Readonly<Record<number, DocumentedAnswer>>;
  /** Statuses of errors that it answers beside those that every route may: 400 (with a request), 401, 500, 503. */
  readonly errors?: readonly number[];
}

type Schema = z.ZodType | undefined;
type Parsed<S extends Schema> = S extends z.ZodType ? z.output<S> : undefined;

interface RouteOptions<P extends Schema, Q extends Schema, B extends Schema> extends RouteText {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly handle: (call: Caller & { params: Parsed<P>; query: Parsed<Q>; body: Parsed<B> }) => Promise<Answer>;
}

/** One operation of the API: what validates its requests also documents them. */
export interface Route extends RouteText {
  readonly schemas: { readonly params: Schema; readonly query: Schema; readonly body: Schema };
  /** @throws {HttpError} 400 naming every fault of the request at once. */
  run(request: RawRequest, caller: Caller): Promise<Answer>;
}

/** Makes a route of its parts. */
export function route<P extends Schema = undefined, Q extends Schema = undefined, B extends Schema = undefined>(
  options: RouteOptions<P, Q, B>,
): Route {
  const { params, query, body, handle, ...text } = options;
  return {
    ...text,
    schemas: { params, query, body },
    run(request, caller) {
      const faults: FaultDetail[] = [];
      const call = {
        params: parse(params, request.params, faults),
        query: parse(query, request.query, faults),
        body: parse(body, request.body, faults),
      };
      if (faults.length > 0) throw badRequest(faults);
      return handle({ ...call, ...caller });
    },
  };
}

function parse<S extends Schema>(schema: S | undefined, value: unknown, faults: FaultDetail[]): Parsed<S> {
  const result = schema?.safeParse(value);
  if (result?.error) faults.push(...result.error.issues.flatMap(toFaults));
  return result?.data as Parsed<S>;
}

/**
 * Checks a part of a request whose form shows only later.
 * @param path where it stands in the request
 * @throws {HttpError} 400 naming every fault of it at once
 */
export function checkPart<S extends z.ZodType>(schema: S, value: unknown, path: string): z.output<S> {
  const result = schema.safeParse(value);
  if (!result.error) return result.data;
  const faults = result.error.issues.flatMap((issue) => toFaults({ ...issue, path: [path, ...issue.path] }));
  throw badRequest(faults);
}

/** Names and values of a request are repeated up to this length. */
const REPEATED = 100;

function toFaults(issue: z.core.$ZodIssue): FaultDetail[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: pathOf([...path, key]), message: 'is not a known field' }));
  }
  return [{ path: pathOf(path), message: issue.message }];
}

const pathOf = (path: readonly string[]): string => path.map((part) => part.slice(0, REPEATED)).join('.');
