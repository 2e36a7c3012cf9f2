import { lossRate } from '../model/session.ts';
import type { SessionDetails } from '../store/session-details.ts';
import type { SessionRow } from '../store/sessions.ts';
import { sendingOf } from './delivery-figures.ts';
import { lastPollOf, lossOf, oldestOf, queueOf, type Figures } from './session-figures.ts';

/** A session, as the API words it. */
export const sessionOf = (session: SessionRow) => ({
  session_id: session.sessionId,
  organization_id: session.organizationId,
  status: session.status,
  polling_mode: session.pollingMode,
  polling_interval: session.pollingSeconds,
  enable_webhook: session.notifications !== 'off',
  filters: session.filters,
  mark_as_read: session.markAsRead,
  only_unread: session.onlyUnread,
  started_at: session.startedAt,
  stopping_at: session.stoppingAt,
  ended_at: session.endedAt,
  stop_reason: session.stopReason,
  trouble: session.trouble,
});

/** What to tell whoever has started or stopped the session, by how it stands. */
export function messageOf({ sessionId, status, stopReason, notifications, notificationsReason }: SessionRow): string {
  const session = `Session ${sessionId}`;
  switch (status) {
    case 'starting':
      return `${session} starts: GET /session/status tells when it runs`;
    case 'running':
      return notifications === 'unreachable'
        ? `${session} runs by polling alone: ${notificationsReason ?? 'Graph cannot reach us'}`
        : `${session} runs`;
    case 'stopping':
      return `${session} stops (${stopReason ?? 'no reason'}): what it has asked of Graph is being taken back`;
    case 'stopped':
      return `${session} has stopped`;
    case 'failed':
      return `${session} has failed: ${stopReason ?? 'no reason'}`;
  }
}

/** A session that has ended, with what it came to. */
export const endedSessionOf = (session: SessionRow) => {
  const { mailboxes, messages, told, missed } = session;
  return {
    ...sessionOf(session),
    totals: {
      mailboxes: mailboxes ?? 0,
      messages: messages ?? 0,
      told: told ?? 0,
      missed: missed ?? 0,
      notifications: session.notificationsTaken,
      marked_as_read: session.markedAsRead,
    },
  };
};

/** How a session and its parts stand; without one: that nothing runs. */
export function stateOf(session: SessionRow | undefined, figures: Figures, details: SessionDetails) {
  const { mailboxes, found, losses } = figures;
  return {
    session: session ? sessionOf(session) : null,
    services: {
      polling: pollingOf(session),
      webhook: webhookOf(session, figures, details),
      processing: processingOf(session, figures),
      sending: sendingOf(figures.destinations),
    },
    queue: { ...queueOf(figures), oldest_at: oldestOf(figures) },
    last_poll_at: session ? lastPollOf(session) : null,
    last_notification_at: session?.lastNotificationAt ?? null,
    mailboxes: {
      followed: mailboxes.followed,
      left: mailboxes.left,
      skipped: mailboxes.skipped,
      skipped_for: details.skippedFor,
      skipped_mailboxes: details.skipped.map(({ mailboxId, reason }) => ({ mailbox_id: mailboxId, reason })),
    },
    loss: { ...found, rate: lossRate(found), worst: losses.map(lossOf) },
  };
}

const isOpen = (session: SessionRow | undefined): session is SessionRow => session !== undefined && !session.endedAt;

function pollingOf(session: SessionRow | undefined) {
  const { lastSweepAt: at, lastSweepMs, lastSweepChanged } = session ?? {};
  return {
    status: isOpen(session) ? session.pollingMode : 'stopped',
    interval: isOpen(session) ? session.sweepSeconds : null,
    last_sweep: at ? { at, milliseconds: lastSweepMs ?? null, changed_mailboxes: lastSweepChanged ?? null } : null,
  };
}

function webhookOf(
  session: SessionRow | undefined,
  { subscriptions }: Figures,
  { subscriptionsRefused }: SessionDetails,
) {
  return {
    status: isOpen(session) ? session.notifications : 'stopped',
    reason: session?.notificationsReason ?? null,
    url: session?.notificationUrl ? `${session.notificationUrl}/webhooks/graph` : null,
    notifications: {
      taken: session?.notificationsTaken ?? 0,
      joined: session?.notificationsJoined ?? 0,
      refused: session?.notificationsRefused ?? 0,
    },
    subscriptions: {
      ...subscriptions,
      refusals: subscriptionsRefused.map(({ mailboxId, reason, errorCode }) => ({
        mailbox_id: mailboxId,
        reason,
        code: errorCode,
      })),
    },
  };
}

function processingOf(session: SessionRow | undefined, { mailboxes, messages, work, hints }: Figures) {
  const works = work.mailboxes > 0 || mailboxes.due > 0 || hints.waiting > 0;
  return {
    status: !isOpen(session) ? 'stopped' : works ? 'working' : 'idle',
    mailboxes_being_read: work.mailboxes,
    mailboxes_due: mailboxes.due,
    messages,
    mark_as_read: {
      enabled: session?.markAsRead ?? false,
      marked: session?.markedAsRead ?? 0,
      refused: session?.markAsReadRefused ?? null,
    },
  };
}
