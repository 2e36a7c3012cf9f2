import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { isCancellation } from '@temporalio/workflow';

/** The type of an activity's failure is the cause's name: the activity interceptor sets it. */
export function typeOf(error: unknown): string {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  return (cause instanceof ApplicationFailure ? cause.type : undefined) ?? 'InternalError';
}

/** What to tell the administrator of the failure that ends a scan or a session; undefined for a cancellation. */
export function reasonFor(error: unknown): string | undefined {
  if (isCancellation(error)) return undefined;
  if (error instanceof ActivityFailure && error.cause) return error.cause.message;
  return error instanceof Error ? error.message : undefined;
}
