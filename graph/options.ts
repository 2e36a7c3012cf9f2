import type { Connection } from '../model/connection.ts';

/** What the room logs through; pino fits. */
export interface GraphLogger {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

/** How one attempt of a request went. */
export interface RequestReport {
  /** What was asked: `token`, `users`, `folders`, `messages`, ... */
  readonly kind: string;
  /** Undefined when no answer came. */
  readonly status: number | undefined;
  /** The error's code, for a failure. */
  readonly code?: string;
  readonly ms: number;
  /** Size of the body, decompressed. */
  readonly bytes: number;
}

export const REQUEST_TIMEOUT_MS = 30_000;

export interface GraphOptions {
  readonly log: GraphLogger;
  /** Default: the cloud's. With or without `/v1.0`. Plain http on this machine only. */
  readonly graphUrl?: string | undefined;
  /** Base of the login service, without the tenant. Default: the cloud's. Plain http on this machine only. */
  readonly authorityUrl?: string | undefined;
  /** Milliseconds for one attempt, body included, token requests too. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Largest body that is read, compressed or not. Default 16 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Requests a second of this connection. Default: no limit. */
  readonly requestsPerSecond?: number | undefined;
  /** Retries inside one call, after short waits. Default 4. */
  readonly maxRetries?: number | undefined;
  /**
   * The connection as it is stored now, asked before each token, so that a rotated credential takes effect in requests
   * that are under way. Tenant and cloud must stay. Default: the connection that was opened.
   */
  readonly latest?: (() => Promise<Connection>) | undefined;
  /** Default `outhaul`. */
  readonly userAgent?: string | undefined;
  /** Called after every attempt of a request, token requests included. */
  readonly onRequest?: ((report: RequestReport) => void) | undefined;
}
