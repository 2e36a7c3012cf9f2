import { Context } from '@temporalio/activity';
import { skipReasonOf } from '../model/mailbox-filter.ts';
import { sweepSecondsFor, type NotificationState, type SessionStatus } from '../model/session.ts';
import { loadActive } from '../store/connections.ts';
import type { Database } from '../store/database.ts';
import { organizationOf } from '../store/organizations.ts';
import { sessionFigures } from '../store/session-figures.ts';
import { beginListing, endListing, followUsers, type Followed } from '../store/session-mailboxes.ts';
import {
  beginSession,
  endSession,
  markRunning,
  markStopping,
  setNotifications,
  setSweepSeconds,
  setTrouble,
  workWaits,
} from '../store/session-status.ts';
import { sessionByNo } from '../store/sessions.ts';
import type { GraphConnections } from './graph-connections.ts';
import { whileBeating } from './heartbeat.ts';

/** Which session. */
export interface SessionName {
  readonly organizationId: string;
  readonly sessionNo: number;
}

/** What `keepSession` has done for it outside, subscriptions apart. */
export interface SessionActivities {
  /** The session is the organization's only one. Returns under which number it sees messages, and what it is to do. */
  beginSession(input: SessionName): Promise<{ readonly scanNo: number; readonly notifications: boolean }>;
  /** Lists the tenant's users: newcomers are followed, and who is gone is followed no longer. */
  followMailboxes(input: SessionName): Promise<Followed>;
  /** Has the Schedule of the sweep as it is to be now, made if need be. Null: none is wanted, sweeps come when asked for. */
  keepSweeps(input: SessionName): Promise<{ readonly sweepSeconds: number | null }>;
  /** Sweeps once, now. */
  sweepNow(input: SessionName): Promise<void>;
  /** The Schedule of the sweep is gone. */
  removeSweeps(input: SessionName): Promise<void>;
  /** How Graph's notifications stand. */
  recordNotifications(input: SessionName & { notifications: NotificationState; reason?: string }): Promise<void>;
  /** What keeps the session from doing all that it should; null: nothing does. */
  recordTrouble(input: SessionName & { trouble: string | null }): Promise<void>;
  recordRunning(input: SessionName): Promise<void>;
  recordStopping(input: SessionName & { reason: string }): Promise<void>;
  /** Whether messages that were named wait for their readers, or a mailbox is being read. */
  workWaits(input: SessionName): Promise<boolean>;
  endSession(input: SessionName & { status: 'stopped' | 'failed'; reason: string }): Promise<SessionStatus>;
}

/** The Schedule by which Temporal starts the sweep of an organization's mailboxes. */
export interface SweepSchedule {
  /** Makes it, or changes it where it is another. */
  keep(sweeps: { organizationId: string; seconds: number; startedAt: string }): Promise<void>;
  /** Starts a sweep, unless the Schedule's last one still runs. */
  sweepNow(organizationId: string): Promise<void>;
  /** What is not there needs no removing. */
  remove(organizationId: string): Promise<void>;
}

export interface SessionActivitiesOptions {
  readonly db: Database;
  readonly connections: GraphConnections;
  readonly sweeps: SweepSchedule;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

export function createSessionActivities({ db, connections, sweeps, log }: SessionActivitiesOptions): SessionActivities {
  return {
    async beginSession({ sessionNo }) {
      const { scanNo, notifications } = await beginSession(db, sessionNo);
      return { scanNo, notifications: notifications !== 'off' };
    },

    followMailboxes: ({ organizationId, sessionNo }) =>
      whileBeating(async (beat: (progress: ListingProgress) => void, before) => {
        const { cancellationSignal: signal } = Context.current();
        const [organization, graph, session, connection] = await Promise.all([
          organizationOf(db, organizationId),
          connections.graphFor(organizationId),
          sessionByNo(db, sessionNo),
          loadActive(db, organizationId),
        ]);
        const tenantId = connection?.tenantId ?? '';
        const since = before?.since ?? (await beginListing(db));
        for await (const page of graph.users(before ? { link: before.link } : {}, signal)) {
          const users = page.users.map((user) => ({ user, skip: skipReasonOf(user, session.filters.mailboxes) }));
          await followUsers(db, organization, { sessionNo, tenantId, users });
          if (page.next !== undefined) beat({ link: page.next, since });
        }
        const followed = await endListing(db, { sessionNo, since });
        const { joined, left } = followed;
        if (joined > 0 || left > 0) log.info({ organizationId, sessionNo, ...followed }, 'Mailboxes joined or left');
        return followed;
      }),

    async keepSweeps({ organizationId, sessionNo }) {
      const session = await sessionByNo(db, sessionNo);
      const { pollingMode, pollingSeconds, notifications, startedAt } = session;
      const ends = session.endedAt !== null || session.stoppingAt !== null;
      if (ends || pollingMode === 'manual') return { sweepSeconds: null };
      const { found } = await sessionFigures(db, session);
      const seconds = sweepSecondsFor(pollingSeconds, { ...found, notifications });
      await sweeps.keep({ organizationId, seconds, startedAt });
      await setSweepSeconds(db, sessionNo, seconds);
      return { sweepSeconds: seconds };
    },

    sweepNow: ({ organizationId }) => sweeps.sweepNow(organizationId),

    removeSweeps: ({ organizationId }) => sweeps.remove(organizationId),

    async recordNotifications({ organizationId, sessionNo, notifications, reason }) {
      await setNotifications(db, sessionNo, { notifications, reason });
      const facts = { organizationId, sessionNo, ...(reason !== undefined && { reason }) };
      if (notifications === 'unreachable') log.warn(facts, 'Graph cannot notify: the session runs by polling');
      if (notifications === 'on') log.info(facts, 'Graph notifies of changes');
    },

    recordTrouble: ({ sessionNo, trouble }) => setTrouble(db, sessionNo, trouble),

    async recordRunning({ organizationId, sessionNo }) {
      await markRunning(db, sessionNo);
      log.info({ organizationId, sessionNo }, 'Session runs');
    },

    async recordStopping({ sessionNo, reason }) {
      await markStopping(db, sessionNo, reason);
    },

    workWaits: async ({ organizationId, sessionNo }) =>
      workWaits(db, await organizationOf(db, organizationId), sessionNo),

    async endSession({ organizationId, sessionNo, status, reason }) {
      const ended = await endSession(db, sessionNo, { status, reason });
      log.info({ organizationId, sessionNo, status: ended }, 'Session ended');
      return ended;
    },
  };
}

/** Where a listing goes on after an interruption. */
interface ListingProgress {
  readonly link: string;
  readonly since: string;
}
