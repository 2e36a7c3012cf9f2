import { sessionDetails } from '../../store/session-details.ts';
import { cursorOfNow, seenMessages } from '../../store/session-messages.ts';
import { openSession, sessionHistory } from '../../store/sessions.ts';
import { conflict, type HttpError } from '../errors.ts';
import type { ApiParts } from '../parts.ts';
import { route, type Route } from '../route.ts';
import { OrganizationQuery } from '../schemas/common.ts';
import {
  SessionAnswer,
  SessionCleared,
  SessionHistory,
  SessionHistoryQuery,
  SessionMessages,
  SessionMessagesQuery,
  SessionStart,
  SessionState,
  SessionStop,
} from '../schemas/sessions.ts';
import { organizationMeant, organizationToStart } from '../scope.ts';
import { figuresOf } from '../session-figures.ts';
import { endedSessionOf, messageOf, sessionOf, stateOf } from '../session-state.ts';
import { startSession } from '../start-session.ts';
import { clearSession, stopSession, workflowOf } from '../stop-session.ts';

/** Mailboxes that a status names of each kind. */
const NAMED = 20;

export const sessionRoutes = (parts: ApiParts): readonly Route[] => [
  startRoute(parts),
  stopRoute(parts),
  statusRoute(parts),
  historyRoute(parts),
  messagesRoute(parts),
  clearRoute(parts),
];

const noSession = (organizationId: string): HttpError => conflict(`No session of organization ${organizationId} runs`);

const startRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: '/session/start',
    tag: 'Sessions',
    summary: 'Follow the mailboxes of an organization',
    description: 'From now on, by sweeps, by notifications, or both. An organization has one session at a time.',
    access: 'key',
    query: OrganizationQuery,
    body: SessionStart,
    answers: { 200: { description: 'It runs, or is on its way', schema: SessionAnswer } },
    errors: [404, 409, 413, 422],
    async handle({ query, body, ...caller }) {
      const organizationId = await organizationToStart(parts, caller.principal, query.organizationId);
      const session = await startSession(parts, organizationId, body, caller);
      return { status: 200, body: { success: true, message: messageOf(session), session: sessionOf(session) } };
    },
  });

const stopRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: '/session/stop',
    tag: 'Sessions',
    summary: 'Stop the session',
    description: 'What is being read is finished; the schedule and the subscriptions are removed.',
    access: 'key',
    query: OrganizationQuery,
    body: SessionStop,
    answers: { 200: { description: 'It has stopped, or does so', schema: SessionAnswer } },
    errors: [404, 409, 413],
    async handle({ query, body: { reason }, ...caller }) {
      const { organizationId } = await organizationMeant(parts.db, caller.principal, query.organizationId);
      const session = await stopSession(parts, organizationId, reason, caller);
      if (!session) throw noSession(organizationId);
      return { status: 200, body: { success: true, message: messageOf(session), session: sessionOf(session) } };
    },
  });

const clearRoute = (parts: ApiParts): Route =>
  route({
    method: 'post',
    path: '/session/clear',
    tag: 'Sessions',
    summary: 'Take away a session that cannot be stopped',
    description:
      'Ends it where it stands, also where no worker is there to do so in order. Subscriptions that it leaves at Graph are removed when the next session starts. Without a session it changes nothing.',
    access: 'key',
    query: OrganizationQuery,
    answers: { 200: { description: 'No session runs any more', schema: SessionCleared } },
    errors: [404],
    async handle({ query, ...caller }) {
      const { organizationId } = await organizationMeant(parts.db, caller.principal, query.organizationId);
      const session = await clearSession(parts, organizationId, caller);
      const message = session ? `Session ${session.sessionId} is cleared away` : 'There was no session to clear away';
      return { status: 200, body: { success: true, message, session: session ? sessionOf(session) : null } };
    },
  });

const statusRoute = (parts: ApiParts): Route =>
  route({
    method: 'get',
    path: '/session/status',
    tag: 'Sessions',
    summary: 'How the session and its parts stand',
    access: 'key',
    query: OrganizationQuery,
    answers: { 200: { description: 'The one that runs, or the last one', schema: SessionState } },
    errors: [404],
    async handle({ query, principal }) {
      const { db } = parts;
      const organization = await organizationMeant(db, principal, query.organizationId);
      const { organizationId } = organization;
      const session =
        (await openSession(db, organizationId)) ?? (await sessionHistory(db, organizationId, { limit: 1 }))[0];
      const [figures, details, workflow] = await Promise.all([
        figuresOf(db, organization, session, NAMED),
        sessionDetails(db, session?.sessionNo ?? 0, NAMED),
        workflowOf(parts, organizationId),
      ]);
      const state = stateOf(session, figures, details);
      return { status: 200, body: { success: true, organization_id: organizationId, ...state, workflow } };
    },
  });

const historyRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/session/history',
    tag: 'Sessions',
    summary: 'Sessions that have ended, newest first',
    access: 'key',
    query: SessionHistoryQuery,
    answers: { 200: { description: 'With the reason of the end, and totals', schema: SessionHistory } },
    errors: [404],
    async handle({ query: { organizationId: named, limit }, principal }) {
      const { organizationId } = await organizationMeant(db, principal, named);
      const sessions = (await sessionHistory(db, organizationId, { limit })).map(endedSessionOf);
      return { status: 200, body: { success: true, organization_id: organizationId, sessions } };
    },
  });

const messagesRoute = ({ db }: ApiParts): Route =>
  route({
    method: 'get',
    path: '/session/messages',
    tag: 'Sessions',
    summary: 'Messages that the session sees, in the order in which they were stored',
    description:
      'Asked again with the `cursor` of the last answer it goes on where that ended: `outhaul watch` does so.',
    access: 'key',
    query: SessionMessagesQuery,
    answers: { 200: { description: 'Those that have come', schema: SessionMessages } },
    errors: [404, 409],
    async handle({ query: { organizationId: named, limit, from, cursor }, principal }) {
      const organization = await organizationMeant(db, principal, named);
      const session = await openSession(db, organization.organizationId);
      if (!session) throw noSession(organization.organizationId);
      const start = cursor ?? (from === 'now' ? await cursorOfNow(db, organization, session) : undefined);
      const page = await seenMessages(db, organization, session, { limit, cursor: start });
      const messages = page.messages.map((message) => ({
        id: message.id,
        mailbox_id: message.mailboxId,
        mailbox: message.mailbox,
        folder: message.folder,
        subject: message.subject,
        from_address: message.fromAddress,
        from_name: message.fromName,
        received_date_time: message.receivedAt,
        has_attachments: message.hasAttachments,
        is_read: message.isRead,
        stored_at: message.storedAt,
      }));
      const { sessionId } = session;
      return {
        status: 200,
        body: { success: true, session_id: sessionId, messages, cursor: page.cursor, has_more: page.hasMore },
      };
    },
  });
