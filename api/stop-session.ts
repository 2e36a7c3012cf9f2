import { sessionWorkflowId } from '../model/ids.ts';
import { recordAudit } from '../store/audit.ts';
import { endSession, markStopping } from '../store/session-status.ts';
import { openSession, sessionByNo, type SessionRow } from '../store/sessions.ts';
import type { ApiParts } from './parts.ts';
import type { Caller } from './route.ts';
import { workflowUrl } from './scan-state.ts';
import { within } from './within.ts';

/** How long a stop waits for its end: thousands of subscriptions take longer to remove. */
const STOP_MS = 15_000;
/** How long a status waits for Temporal. */
const PATIENCE_MS = 2_000;

/**
 * Has the session end in order; where that takes long it is answered as `stopping`. A session that Temporal does not run
 * any more ends in the store.
 * @returns how it stands; undefined where there is none
 */
export async function stopSession(
  { db, sessions }: ApiParts,
  organizationId: string,
  reason: string,
  { principal, log }: Caller,
): Promise<SessionRow | undefined> {
  const session = await openSession(db, organizationId);
  if (!session) return undefined;
  const { sessionNo, sessionId } = session;
  const { actor } = principal;
  await recordAudit(db, { actor, organizationId, action: 'session.stop', target: sessionId, details: { reason } });
  if (await sessions.stop(organizationId, reason)) {
    await markStopping(db, sessionNo, reason);
    log.info({ organizationId, sessionId }, 'Session is stopped');
    await sessions.ended(organizationId, STOP_MS);
  } else {
    await endSession(db, sessionNo, { status: 'stopped', reason });
    log.warn({ organizationId, sessionId }, 'Session ended: Temporal did not run it any more');
  }
  return sessionByNo(db, sessionNo);
}

/** Ends the session where it stands. Returns it; undefined where there was none. */
export async function clearSession(
  { db, sessions }: ApiParts,
  organizationId: string,
  { principal, log }: Caller,
): Promise<SessionRow | undefined> {
  const session = await openSession(db, organizationId);
  await sessions.terminate(organizationId, 'cleared');
  if (!session) return undefined;
  const { sessionNo, sessionId } = session;
  await endSession(db, sessionNo, { status: 'stopped', reason: 'cleared' });
  await recordAudit(db, { actor: principal.actor, organizationId, action: 'session.clear', target: sessionId });
  log.warn({ organizationId, sessionId }, 'Session cleared away');
  return sessionByNo(db, sessionNo);
}

/** Whether Temporal runs the session, and where to see it. */
export async function workflowOf({ sessions, config }: ApiParts, organizationId: string) {
  const id = sessionWorkflowId(organizationId);
  const late = (): Error => new Error('no answer in time');
  const [status, runId] = await within(PATIENCE_MS, sessions.describe(organizationId), late).then(
    (workflow) => [workflow?.status === 'RUNNING' ? 'running' : 'not_running', workflow?.runId ?? null] as const,
    () => ['unknown', null] as const,
  );
  return { id, status, url: workflowUrl(id, runId, config.temporal) };
}
