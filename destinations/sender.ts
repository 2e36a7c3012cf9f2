import type { Readable } from 'node:stream';
import type { AttachmentMetadata, DeliveredMessage } from '../model/delivered-message.ts';

/** An attachment whose content goes along. */
export interface ItemAttachment {
  readonly metadata: AttachmentMetadata;
  /** Exact length of the content, which Graph's `size` is not. */
  readonly bytes: number;
  /** The content from its beginning; may be called more than once. */
  open(signal: AbortSignal): Promise<Readable>;
  /** All of it, where whoever sends can hold it: at a tenth of what a stream costs. */
  read?(signal: AbortSignal): Promise<Buffer>;
}

/** A batch that was cut before, and is to be sent as it was. */
export interface ItemBatch {
  readonly id: string;
  /** How many items of it come, one after the other. */
  readonly size: number;
  /** The receiver may have taken it: it is not known that it was never sent, or refused each time. */
  readonly mayBeTaken: boolean;
}

/** What one delivery hands over: a message, or one of its attachments. */
export interface Item {
  readonly deliveryNo: number;
  /** The same for the same delivery, however often it is sent: 1 to 200 printable ASCII characters, no comma. */
  readonly idempotencyKey: string;
  readonly message: DeliveredMessage;
  /** For a Redis list or a folder exactly one; for a utility those that its filter lets through; for a batch none. */
  readonly attachments: readonly ItemAttachment[];
  /** Default: it is in none yet. */
  readonly batch?: ItemBatch;
}

/** How a batch is cut: under this id go these deliveries, in this order. */
export interface Cut {
  readonly id: string;
  readonly deliveryNos: readonly number[];
}

/** Keeps how batches are cut, so that what is sent again is the same batch, under the same id. */
export interface BatchLog {
  /** Batches that were not sent yet, in place of another, where one is given. Resolves once they may be sent. */
  cut(cuts: readonly Cut[], inPlaceOf?: string): Promise<void>;
  /** A batch is sent now, and may be taken. */
  sending(id: string): void;
  /** It was not taken. */
  refused(id: string): void;
}

/**
 * What stood in the way of one item.
 * - `connection`, `tls`, `timeout`, `server_error` (5xx), `throttled` (408, 425, 429): the destination's; worth a retry
 * - `rejected` (4xx, or refused within a batch), `redirect` (3xx), `too_large`: final
 * - `content`: an attachment could not be read from the store as it was stored; worth a retry
 */
export type RefusalCause =
  'connection' | 'tls' | 'timeout' | 'server_error' | 'throttled' | 'rejected' | 'redirect' | 'too_large' | 'content';

/** What became of one item. Texts are bounded and hold neither addresses nor tokens nor anything of the mail. */
export type Outcome =
  | {
      readonly deliveryNo: number;
      readonly status: 'accepted';
      /** What the receiver said against it all the same; its words, at most 500 characters. */
      readonly note?: string;
    }
  | {
      readonly deliveryNo: number;
      readonly status: 'refused';
      readonly cause: RefusalCause;
      readonly error: string;
      /** Of the answer, where there was one. */
      readonly httpStatus?: number;
      readonly retry: boolean;
      /** How long the destination wants to be left alone. */
      readonly retryAfterMs?: number;
    };

export interface Health {
  readonly healthy: boolean;
  readonly latencyMs: number;
  /** In words, for people. */
  readonly detail: string;
  /** Of a Redis list: the items in it. */
  readonly length?: number;
}

/** Hands items to one destination. Many `send` may run at once, but of an ordered kind (Redis list, batch) only one. */
export interface Sender {
  /**
   * Takes items as they come, and yields each one's outcome as soon as it is known, in any order. What has no outcome
   * when this ends was not refused: it is still owed, and no attempt is to be counted. An item that is being sent when
   * `signal` aborts may have been accepted all the same. Ending the items early ends this in order.
   * An ordered kind ends by itself after an item that is to be tried again, so that nothing overtakes it.
   * @param batches is told how a batch receiver's batches are cut, before they are sent. Default: nobody is
   * @throws {DestinationUnavailable} nothing can be sent at present; outcomes that were known came before
   */
  send(items: AsyncIterable<Item>, signal: AbortSignal, batches?: BatchLog): AsyncIterable<Outcome>;
  /** Whether the destination would take something now. Never throws for what the destination does. */
  health(signal: AbortSignal): Promise<Health>;
  /** Of a batch receiver: whether anything at all answers there, whatever it says. */
  answers?(signal: AbortSignal): Promise<boolean>;
  /** Lets go of connections. Nothing may be under way. */
  close(): Promise<void>;
}

/**
 * The destination as a whole takes nothing: `away` (out of reach, starting, failing), `full` (at its limit, no space),
 * `misconfigured` (a wrong password, an address that is not allowed). No attempt is counted for anybody.
 */
export class DestinationUnavailable extends Error {
  override readonly name = 'DestinationUnavailable';
  readonly reason: 'away' | 'full' | 'misconfigured';

  constructor(reason: 'away' | 'full' | 'misconfigured', message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** An attachment's content is not to be had, or is not what was stored. */
export class ContentError extends Error {
  override readonly name = 'ContentError';
}

export type Refusal = Extract<Outcome, { status: 'refused' }>;

/** The outcome of an item whose attachment could not be read. */
export const contentRefusal = ({ deliveryNo }: Item, error: ContentError): Refusal => ({
  deliveryNo,
  status: 'refused',
  cause: 'content',
  error: error.message,
  retry: true,
});
