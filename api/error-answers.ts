import { ServiceError, WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client';
import type { ErrorRequestHandler } from 'express';
import type { Logger } from 'pino';
import { DestinationUnavailable } from '../destinations/sender.ts';
import { SealError } from '../model/sealing.ts';
import { BlobsUnavailable, isBlobLost } from '../store/blobs/errors.ts';
import {
  DestinationExists,
  IncompatibleDatabase,
  InvalidCursor,
  ScanEnded,
  ScanExists,
  StoreUnavailable,
  Unknown,
  UnknownTable,
} from '../store/errors.ts';
import { HttpError, badRequest, conflict, notFound, unavailable } from './errors.ts';
import { GRPC, grpcCodeOf } from './grpc-codes.ts';
import { requestIdOf } from './request-log.ts';

/**
 * The API's border: the one place where errors become answers. What a client sees is written here or in an `HttpError`;
 * the message of any other error goes to the log only, for it may hold SQL, addresses or an upstream's words.
 */
export const answerError: ErrorRequestHandler = (error: unknown, request, response, next) => {
  if (response.headersSent) {
    next(error);
    return;
  }
  const answer = toHttpError(error);
  logFailure(request.log, answer, error);
  const { status, title, message, details, fields, headers } = answer;
  response
    .status(status)
    .set({ 'Cache-Control': 'no-store', ...headers })
    .json({ success: false, error: title, message, details, ...fields, requestId: requestIdOf(response) });
};

/** What a client is told of an error. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  return fromStore(error) ?? fromTemporal(error) ?? fromExpress(error) ?? internal(error);
}

function fromStore(error: unknown): HttpError | undefined {
  if (error instanceof SealError) return new HttpError(500, unopened(error), { cause: error });
  if (error instanceof BlobsUnavailable) return unavailable(sentence(error), error);
  if (isBlobLost(error)) return unavailable(BYTES_LOST, error);
  if (error instanceof StoreUnavailable) return unavailable('The database is out of reach: try again', error);
  if (error instanceof IncompatibleDatabase) return unavailable('The database belongs to another version', error);
  if (error instanceof DestinationExists || error instanceof ScanExists) return conflict(sentence(error));
  if (error instanceof ScanEnded) return conflict('The scan has ended');
  if (error instanceof UnknownTable) return badRequest([{ path: 'tableName', message: error.message }]);
  if (error instanceof InvalidCursor) return badRequest([{ path: 'cursor', message: error.message }]);
  if (error instanceof DestinationUnavailable) return unavailable(error.message, error);
  if (error instanceof Unknown) return notFound(sentence(error));
  return undefined;
}

const BYTES_LOST =
  'The stored bytes are missing from the blob store, or were altered there: they are read from Graph again, where they still are';

const unopened = ({ missingKeyId: id }: SealError): string =>
  id === undefined
    ? 'A stored secret cannot be opened: it was altered. Send it anew'
    : `A stored secret cannot be opened: put the key "${id}" back into the key ring, or send the secret anew`;

const sentence = ({ message }: Error): string => message.slice(0, 1).toUpperCase() + message.slice(1);

/** Codes that say that Temporal, or the way to it, is at fault. */
const AWAY: readonly number[] = [GRPC.CANCELLED, GRPC.DEADLINE_EXCEEDED, GRPC.RESOURCE_EXHAUSTED, GRPC.UNAVAILABLE];

function fromTemporal(error: unknown): HttpError | undefined {
  const cause = error instanceof ServiceError ? error.cause : error;
  const away = AWAY.includes(grpcCodeOf(cause) ?? -1);
  if (!away && !(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) return undefined;
  return unavailable('Temporal is out of reach: try again', error);
}

/** Express and its body parser throw plain errors with a `status`, and often a `type`. */
function fromExpress(error: unknown): HttpError | undefined {
  if (!(error instanceof Error) || !('status' in error) || typeof error.status !== 'number') return undefined;
  const type = 'type' in error ? error.type : undefined;
  if (type === 'entity.too.large') return new HttpError(413, 'The body is too large', { cause: error });
  if (type === 'entity.parse.failed') return badRequest([{ path: '', message: 'The body is not valid JSON' }]);
  if (error.status < 400 || error.status >= 500) return undefined;
  return badRequest([{ path: '', message: 'The request cannot be read' }]);
}

const internal = (cause: unknown): HttpError =>
  new HttpError(500, 'Something went wrong here; the log says more under this request id', { cause });

function logFailure(log: Logger, answer: HttpError, error: unknown): void {
  if (answer.status < 500) return;
  const fields = { status: answer.status, ...(error !== answer && { err: error }) };
  if (answer.status === 500) log.error(fields, 'Request failed');
  else log.warn(fields, answer.message);
}
