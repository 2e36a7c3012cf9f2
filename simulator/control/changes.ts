import type { AppState } from '../entra/entra.ts';
import type { RequestMatch } from '../faults/fault-rule.ts';
import type { Role } from '../msgraph/request.ts';

/** What can change about tenant and application. Absent members stay as they are. */
export interface TenantChange {
  /** What was done to the application in the tenant. */
  app?: AppState;
  /** The tenant is gone: Entra answers 90002. */
  tenantGone?: boolean;
  clientSecret?: string;
  secretExpired?: boolean;
  /** PEM of the certificate that is registered from now on; null for none. */
  certificate?: string | null;
  tokenLifetimeSeconds?: number;
  /** The application permissions that are consented to; tokens issued before keep theirs. */
  roles?: Role[];
  /** Takes back every token issued so far. */
  revokeTokens?: boolean;
}

/** Requests that fail with a status. */
export interface FailNext extends RequestMatch {
  status: number;
  /** Default `UnknownError`. */
  code?: string;
  message?: string;
  /** The `Retry-After` header, in seconds. */
  retryAfter?: number | string;
  /** How many requests fail. Default 1. */
  times?: number;
}

/** Folders that are made together. */
export interface TreeSize {
  /** Folders each inside the one before. */
  deep?: number;
  /** Folders side by side. */
  wide?: number;
  /** Messages in each. Default 0. */
  messages?: number;
}
