import pLimit from 'p-limit';
import type { SessionStatus } from '../model/session.ts';
import { endSession } from '../store/session-status.ts';
import { openSessions, type SessionRow } from '../store/sessions.ts';
import type { ApiParts } from './parts.ts';
import type { SessionWorkflow } from './session-workflows.ts';

/** A session that nobody ran any more, and what was done about it. */
export interface ReviewedSession {
  readonly sessionId: string;
  readonly organizationId: string;
  readonly status: SessionStatus;
  readonly startedAt: string;
  readonly action: string;
}

export interface SessionReview {
  readonly checked: number;
  readonly crashed: readonly ReviewedSession[];
}

/** A session is recorded just before its workflow starts: younger than this, it may not be there yet. */
const STARTING_MS = 30_000;
/** Questions to Temporal at a time. */
const AT_ONCE = 10;

/**
 * Compares the sessions that have not ended with what Temporal runs. One whose workflow is gone has failed: it can be
 * started anew. What it has left at Graph the next one removes; a Schedule that finds no session takes itself away.
 * @param organizationId null: of all organizations
 */
export async function reviewSessions(
  { db, sessions }: Pick<ApiParts, 'db' | 'sessions'>,
  organizationId: string | null,
): Promise<SessionReview> {
  const limit = pLimit(AT_ONCE);
  const open = await openSessions(db, organizationId);
  const workflows = await Promise.all(open.map((one) => limit(() => sessions.describe(one.organizationId))));
  const crashed: ReviewedSession[] = [];
  for (const [index, session] of open.entries()) {
    const why = whyGone(session, workflows[index]);
    if (why === undefined) continue;
    const { sessionId, organizationId, startedAt, sessionNo } = session;
    const status = await endSession(db, sessionNo, { status: 'failed', reason: why });
    // Its end was on its way when Temporal was asked.
    if (status !== 'failed') continue;
    crashed.push({ sessionId, organizationId, status, startedAt, action: `${why}: marked as failed` });
  }
  return { checked: open.length, crashed };
}

/** Undefined where Temporal runs it, or where it is just being started. */
function whyGone({ sessionId, startedAt }: SessionRow, workflow: SessionWorkflow | undefined): string | undefined {
  const isOwn = workflow?.sessionId === sessionId;
  if (isOwn && workflow.status === 'RUNNING') return undefined;
  if (isOwn) return `Its workflow has ended in Temporal: ${workflow.status.toLowerCase()}`;
  if (Date.now() - Date.parse(startedAt) < STARTING_MS) return undefined;
  return workflow?.status === 'RUNNING' ? 'Another session has taken its place' : 'Temporal does not know its workflow';
}
