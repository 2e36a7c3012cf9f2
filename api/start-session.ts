import { randomUUID } from 'node:crypto';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { Connection } from '../model/connection.ts';
import type { SessionSettings } from '../model/session.ts';
import { recordAudit } from '../store/audit.ts';
import { loadActive } from '../store/connections.ts';
import { setNotifications } from '../store/session-status.ts';
import { addSession, discardSession, openSession, sessionByNo, type SessionRow } from '../store/sessions.ts';
import type { SessionStart as Outcome } from '../workflows/messages.ts';
import { refusedStart } from './admission.ts';
import { foundOrganization } from './environment-destinations.ts';
import { conflict, HttpError } from './errors.ts';
import type { ApiParts } from './parts.ts';
import type { Caller } from './route.ts';
import type { SessionStart } from './schemas/sessions.ts';
import { defaultConnection, filtersOf } from './start-scan.ts';

/**
 * Starts an organization's session: records it, then starts its workflow, of which Temporal allows one, and waits until
 * it runs. Where no worker takes it on in time, or reaching all mailboxes takes long, it is answered as `starting`.
 *
 * @throws {HttpError} 409 one runs already, 422 no credential, one that is refused, or one that the mailboxes cannot be
 *   listed with, 503 something is away
 */
export async function startSession(
  parts: ApiParts,
  organizationId: string,
  wanted: SessionStart,
  { principal, log }: Caller,
): Promise<SessionRow> {
  const { db, config } = parts;
  await parts.workflows.version();
  await foundOrganization(parts, organizationId);
  const candidate = await candidateFor(parts, organizationId);
  const details = { polling_mode: wanted.polling_mode, enable_webhook: wanted.enable_webhook };
  const sessionId = `session-${randomUUID()}`;
  await recordAudit(db, {
    actor: principal.actor,
    organizationId,
    action: 'session.start',
    target: sessionId,
    details,
  });
  const settings = settingsOf(wanted, config);
  const { sessionNo } = await addSession(db, { organizationId, sessionId, ...settings, candidate });
  if (wanted.enable_webhook && !config.notifications.enabled) {
    await setNotifications(db, sessionNo, { notifications: 'off', reason: SWITCHED_OFF });
  }
  const ids = { organizationId, sessionId, sessionNo };
  const outcome = await admit(parts, ids, log).catch(async (error: unknown) => {
    if (error instanceof StartUnknown) throw error;
    await discardSession(db, sessionNo);
    throw error instanceof WorkflowExecutionAlreadyStartedError ? await runsAlready(parts, organizationId) : error;
  });
  if (outcome.status === 'refused' || outcome.status === 'unreachable') {
    await discardSession(db, sessionNo);
    throw refusedStart(outcome, { what: 'the session', ids, log });
  }
  const session = outcome.status === 'stopping' ? await endingSession(parts, ids) : await sessionByNo(db, sessionNo);
  if (session.status === 'failed') throw failedStart(session, log);
  log.info({ ...ids, status: outcome.status }, 'Session started');
  return session;
}

/** How long a start waits to hear how a session has ended that did not come to run. */
const END_MS = 10_000;

/** A session that ends before it runs: it was stopped, or something other than its credential has failed. */
async function endingSession(
  { db, sessions }: ApiParts,
  { organizationId, sessionNo }: SessionName,
): Promise<SessionRow> {
  await sessions.ended(organizationId, END_MS);
  return sessionByNo(db, sessionNo);
}

function failedStart({ organizationId, sessionId, sessionNo, stopReason }: SessionRow, log: Logger): HttpError {
  const reason = stopReason ?? 'no reason is known';
  log.warn({ organizationId, sessionId, sessionNo, reason }, 'Session failed at its start');
  return new HttpError(422, `Session ${sessionId} could not be started: ${reason}`, { fields: { reason } });
}

const SWITCHED_OFF =
  'Notifications are switched off here (OUTHAUL_NOTIFICATIONS=off, as outhaul up --no-webhook sets it)';

/** What the session is to do, with what the environment allows. */
function settingsOf(wanted: SessionStart, { notifications, mailboxAddresses }: Config): SessionSettings {
  const { enabled, publicUrl } = notifications;
  return {
    pollingMode: wanted.polling_mode,
    pollingSeconds: wanted.polling_interval,
    notifications: wanted.enable_webhook && enabled,
    notificationUrl: publicUrl ?? null,
    markAsRead: wanted.mark_as_read,
    onlyUnread: wanted.only_unread,
    filters: filtersOf(wanted.filters, mailboxAddresses),
  };
}

/**
 * The connection of the environment, where the organization has none yet.
 * @throws {HttpError} 422 where the environment has none either
 */
export async function candidateFor({ db, config }: ApiParts, organizationId: string): Promise<Connection | undefined> {
  if (await loadActive(db, organizationId)) return undefined;
  const connection = defaultConnection(config);
  if (connection) return connection;
  const reason = `Organization ${organizationId} has no connection to a tenant yet: make one with POST /api/v1/connections, or set TENANT_ID, CLIENT_ID and CLIENT_SECRET`;
  throw new HttpError(422, 'Credential validation failed', {
    title: 'Invalid outlook_emails access credentials',
    fields: { reason },
  });
}

interface SessionName {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly sessionNo: number;
}

/** Temporal went away in the middle of a start: the session's workflow may run, or not. */
class StartUnknown extends HttpError {
  constructor(cause: unknown) {
    const message =
      'Temporal went away while the session was being started. GET /session/status tells whether it goes on; where it ' +
      'stays "starting" for minutes, POST /session/clear takes it away';
    super(503, message, { cause });
  }
}

/**
 * Starts the workflow and waits. Temporal keeps it from the moment it is started, whether or not a worker is there: where
 * none answers in time, the session is `starting`.
 */
async function admit({ sessions, closing }: ApiParts, session: SessionName, log: Logger): Promise<Outcome> {
  try {
    return await sessions.start(session, closing);
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) throw error;
    // Was it the start that failed, or only the wait for its answer? Temporal knows.
    const workflow = await sessions.describe(session.organizationId).catch(() => {
      throw new StartUnknown(error);
    });
    if (workflow?.sessionId !== session.sessionId) throw error;
    log.warn({ ...session, err: error }, 'The session was started, and no worker has answered yet');
    return { status: 'starting' };
  }
}

async function runsAlready({ db }: ApiParts, organizationId: string): Promise<HttpError> {
  const session = await openSession(db, organizationId).catch(() => undefined);
  const which = session ? `Session ${session.sessionId} of organization ${organizationId} runs` : 'A session runs';
  return conflict(`${which} already: POST /session/stop ends it`);
}
