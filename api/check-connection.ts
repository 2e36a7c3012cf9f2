import { WorkflowFailedError } from '@temporalio/client';
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import type { Finding } from '../model/connection-check.ts';
import { SealError } from '../model/sealing.ts';
import { addCheck, discardCheck, endedCheck, type EndedCheck, type NewCheck } from '../store/connection-checks.ts';
import { HttpError, conflict } from './errors.ts';
import type { ApiParts } from './parts.ts';

/**
 * Has a worker check a connection, or a candidate that is to replace it, and answers what it found. A check that nobody
 * can wait for any longer is forgotten, and its candidate with it.
 * @throws {HttpError} 409 when the connection has changed meanwhile, 503 when no worker has made the check in time
 * @throws {SealError}
 */
export async function checkConnection({ db, connections }: ApiParts, check: NewCheck): Promise<EndedCheck> {
  const checkNo = await addCheck(db, check);
  try {
    await connections.check({ organizationId: check.organizationId, checkNo });
  } catch (error) {
    await discardCheck(db, checkNo).catch(() => undefined);
    throw error instanceof WorkflowFailedError ? reasonOf(error) : error;
  }
  const ended = await endedCheck(db, checkNo);
  if (!ended) throw changedMeanwhile();
  return ended;
}

/**
 * Turns down a candidate that does not work.
 * @throws {HttpError} 422 when it was refused, 503 when Microsoft did not answer, 409 when the connection that it was to
 *   replace has changed meanwhile
 */
export function refuseUnlessActive({ outcome, findings, isActive }: EndedCheck): void {
  const reason = inWords(findings.filter(({ status }) => status === 'failed'));
  if (outcome === 'failed') {
    const title = 'Invalid outlook_emails access credentials';
    throw new HttpError(422, 'Credential validation failed', { title, fields: { reason } });
  }
  if (outcome === 'unreachable') {
    throw new HttpError(503, 'Microsoft Entra or Graph did not answer; nothing was changed', { fields: { reason } });
  }
  if (!isActive) throw changedMeanwhile();
}

const inWords = (findings: readonly Finding[]): string =>
  findings
    .map(({ meaning, advice, code }) => [meaning, advice, ...(code === undefined ? [] : [`(${code})`])])
    .map((parts) => parts.filter(Boolean).join(' '))
    .join('\n');

const changedMeanwhile = (): HttpError =>
  conflict('The connection was changed or removed meanwhile: look at it, and try again');

/** The worker says by type what went wrong there. */
function reasonOf(error: WorkflowFailedError): Error {
  const { cause } = error;
  const failure = cause instanceof ActivityFailure ? cause.cause : cause;
  if (!(failure instanceof ApplicationFailure)) return error;
  if (failure.type === 'KeyMissing') return new SealError(failure.message, { cause: error });
  return failure.type === 'UnknownCheck' ? changedMeanwhile() : error;
}
