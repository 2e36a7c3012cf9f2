import type { Readable } from 'node:stream';
import {
  GraphClientError,
  type Context,
  type Middleware,
  type MiddlewareOptions,
} from '@microsoft/microsoft-graph-client';
import type { GraphError } from './errors.ts';
import type { GraphTarget } from './refusal.ts';

/** One request to Graph on its way down the chain. A step that changes it passes a copy on. */
export interface GraphCall {
  /** A short name for logs and measurements, such as `messages`. */
  readonly kind: string;
  /** What a 403 or 404 is about. */
  readonly target: GraphTarget;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Path and query on Graph's origin, sent as they are. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** The mailbox whose slots the request takes. */
  readonly mailboxId?: string | undefined;
  /** How many of them; default 1. */
  readonly slots?: number | undefined;
  /** Whether the caller asks for less where an answer is slow, so that asking once more for the same is no use. */
  readonly shrinks?: boolean | undefined;
  /** The throttling that an answer of success tells of all the same, as a batch does. */
  readonly throttledBy?: ((answer: GraphAnswer) => GraphError | undefined) | undefined;
  /** Called right before the request goes out; throws where it must not any more. */
  readonly permit?: (() => void) | undefined;
  /** Whether the answer keeps its body beside what was parsed from it. Default: no. */
  readonly keepsBody?: boolean | undefined;
  /** `text` for the few answers that are no JSON; default `json`. */
  readonly expects?: 'json' | 'text' | undefined;
  /** Takes the body of an answer of success while it comes, whatever its size; once for each attempt. Default: it is parsed. */
  readonly receive?: ((body: Readable) => Promise<unknown>) | undefined;
  /** The bytes that a body received so has at the least: fewer are an answer that was cut. Default 0. */
  readonly leastBytes?: number | undefined;
  /** Called for each piece of a body that is received so; throws where no more is to come. */
  readonly onBytes?: ((count: number) => void) | undefined;
  /** Largest body that is read, where that is less than of other answers. */
  readonly maxBodyBytes?: number | undefined;
  readonly signal: AbortSignal;
}

/** An answer of Graph that was understood. It is a `Response` because the Graph client hands nothing else up. */
export class GraphAnswer extends Response {
  /** The parsed body; the text itself where text was expected; what `receive` answered. */
  readonly content: unknown;
  /** Size of the body, decompressed. */
  readonly bytes: number;
  /** Whether the JSON holds escapes of NUL or of surrogates, so that strings may need cleaning before they are stored. */
  readonly suspicious: boolean;
  #kept: Buffer | undefined;

  /** @param kept the body, where the call is for keeping it */
  constructor(status: number, content: unknown, bytes: number, suspicious: boolean, kept?: Buffer) {
    super(null, { status });
    this.content = content;
    this.bytes = bytes;
    this.suspicious = suspicious;
    this.#kept = kept;
  }

  /** The body that was kept; once, for an answer may grow old with the request. */
  takeKept(): Buffer | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    return kept;
  }
}

/** Passes the call on to the next step of the chain. */
export type Next = (call: GraphCall) => Promise<GraphAnswer>;

/** One step of the chain; the last one ignores `next`. */
export type Step = (call: GraphCall, next: Next) => Promise<GraphAnswer>;

/** Carries the call in the Graph client's own context. */
export class CallOptions implements MiddlewareOptions {
  call: GraphCall;

  constructor(call: GraphCall) {
    this.call = call;
  }
}

/** Carries an error of ours through the Graph client, which replaces any other by one without status and cause. */
export class CarriedError extends GraphClientError {
  readonly carried: unknown;

  constructor(carried: unknown) {
    super('See carried');
    Object.setPrototypeOf(this, CarriedError.prototype);
    this.carried = carried;
  }
}

/** Makes the Graph client's middleware chain of our steps, the first one outermost. */
export function chainOf(steps: readonly Step[]): Middleware[] {
  return [new Border(), ...steps.map((step) => new StepMiddleware(step))];
}

class StepMiddleware implements Middleware {
  readonly #step: Step;
  #next: Middleware | undefined;

  constructor(step: Step) {
    this.#step = step;
  }

  setNext(next: Middleware): void {
    this.#next = next;
  }

  async execute(context: Context): Promise<void> {
    const options = context.middlewareControl?.getMiddlewareOptions(CallOptions) as CallOptions;
    context.response = await this.#step(options.call, async (call) => {
      options.call = call;
      await this.#next?.execute(context);
      return context.response as GraphAnswer;
    });
  }
}

class Border implements Middleware {
  #next: Middleware | undefined;

  setNext(next: Middleware): void {
    this.#next = next;
  }

  async execute(context: Context): Promise<void> {
    try {
      await this.#next?.execute(context);
    } catch (error) {
      throw new CarriedError(error);
    }
  }
}
