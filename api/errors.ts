import { STATUS_CODES } from 'node:http';

/** A field at fault: where it is, by dots, and what is wrong with it. */
export interface FaultDetail {
  readonly path: string;
  readonly message: string;
}

interface HttpErrorOptions extends ErrorOptions {
  /** Default: the status's own name, `Not Found`. */
  readonly title?: string;
  readonly details?: readonly FaultDetail[];
  /** Further members of the answer. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Further headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer other than success, as the client gets to see it. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  /** The `error` of the answer. */
  readonly title: string;
  readonly details: readonly FaultDetail[] | undefined;
  readonly fields: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, options: HttpErrorOptions = {}) {
    super(message, options);
    this.status = status;
    this.title = options.title ?? STATUS_CODES[status] ?? 'Error';
    this.details = options.details;
    this.fields = options.fields ?? {};
    this.headers = options.headers ?? {};
  }
}

export const notFound = (message: string): HttpError => new HttpError(404, message);
export const conflict = (message: string): HttpError => new HttpError(409, message);
export const unavailable = (message: string, cause?: unknown): HttpError => new HttpError(503, message, { cause });

/** A malformed request, every fault at once. */
export function badRequest(details: readonly FaultDetail[]): HttpError {
  const told = details.slice(0, 5).map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  const rest = details.length - told.length;
  return new HttpError(400, told.join('; ') + (rest > 0 ? `; and ${rest} more` : ''), {
    details: details.slice(0, 50),
  });
}

/** The API cannot start, for a reason that its operator can mend. The message says what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly exitCode = 1;
}
