import type { EndedSession, SessionStateAnswer } from './api-client.ts';
import type { Cli } from './cli.ts';
import { count, counted, elapsed } from './text/numbers.ts';
import { safeJson, safeLine } from './text/safe-text.ts';
import { renderTable } from './text/table.ts';

const LABEL_WIDTH = 15;

/** Prints how a session and its parts stand. */
export function printSession({ out, notes }: Cli, state: SessionStateAnswer, json: boolean): void {
  if (json) return out.line(safeJson(state));
  if (state.session === null) return notes.line('No session yet. `outhaul session start` starts one.');
  for (const [label, value] of describeSession(state)) {
    out.line(`${out.paint('dim', label.padEnd(LABEL_WIDTH))} ${safeLine(value)}`);
  }
  if (state.session.ended_at === null && state.workflow.status === 'not_running') {
    notes.line('Temporal does not run this session any more: `outhaul session clear` takes it away.');
  }
}

/** Everything about one session, as label and value. */
function describeSession(state: SessionStateAnswer): [label: string, value: string][] {
  const { session, queue, mailboxes, loss, last_notification_at: notifiedAt, last_poll_at: polledAt } = state;
  if (session === null) return [];
  const { processing } = state.services;
  const lines: [string, string | null][] = [
    ['session', session.session_id],
    ['organization', session.organization_id],
    ['status', session.status],
    ['trouble', session.trouble],
    ['started', session.started_at],
    ['ended', session.ended_at && `${session.ended_at} (${session.stop_reason ?? 'no reason'})`],
    ['polling', pollingLine(state)],
    ['last poll', polledAt],
    ['notifications', webhookLine(state)],
    ['last one', notifiedAt],
    [
      'subscriptions',
      (({ active, wanted, refused }) => `${count(active)} active, ${count(wanted)} wanted, ${count(refused)} refused`)(
        state.services.webhook.subscriptions,
      ),
    ],
    ['lost', loss.rate === null ? null : `${percent(loss.rate)} (${count(loss.missed)} that no notification told)`],
    [
      'mailboxes',
      `${count(mailboxes.followed)} followed, ${count(mailboxes.skipped)} skipped, ${count(mailboxes.left)} left` +
        reasonsOf(mailboxes.skipped_for),
    ],
    [
      'processing',
      `${processing.status}: ${counted(processing.mailboxes_being_read, 'mailbox', 'mailboxes')} being read`,
    ],
    ['messages', count(processing.messages)],
    ['queue', `${count(queue.waiting)} waiting, ${count(queue.in_work)} in work, ${count(queue.failed)} failed`],
    ['marked as read', markedLine(state)],
    ['workflow', state.workflow.url ?? state.workflow.id],
  ];
  return lines.filter((line): line is [string, string] => line[1] !== null);
}

function pollingLine({ services: { polling }, session }: SessionStateAnswer): string {
  if (polling.status === 'stopped') return 'stopped';
  if (polling.status === 'manual') return 'when somebody asks';
  const { interval } = polling;
  const asked = session?.polling_interval;
  const more = interval !== null && asked !== undefined && interval < asked ? ` (${asked} s was asked for)` : '';
  return `every ${interval ?? asked ?? 0} s${more}`;
}

function webhookLine({ services: { webhook } }: SessionStateAnswer): string {
  const { status, reason, notifications } = webhook;
  const counts = `${count(notifications.taken)} taken, ${count(notifications.joined)} joined, ${count(notifications.refused)} refused`;
  return `${status}${reason === null ? '' : `: ${reason}`}${status === 'off' ? '' : `; ${counts}`}`;
}

function markedLine({ services: { processing } }: SessionStateAnswer): string | null {
  const { enabled, marked, refused } = processing.mark_as_read;
  if (!enabled) return null;
  return refused === null ? count(marked) : `${count(marked)}; refused: ${refused}`;
}

const reasonsOf = (reasons: SessionStateAnswer['mailboxes']['skipped_for']): string =>
  reasons.length === 0
    ? ''
    : ` (${reasons.map(({ reason, mailboxes }) => `${count(mailboxes)} ${(reason ?? 'for no reason').replaceAll('_', ' ')}`).join(', ')})`;

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

const COLUMNS = [
  { title: 'SESSION' },
  { title: 'STATUS' },
  { title: 'STARTED' },
  { title: 'TOOK' },
  { title: 'MAILBOXES', align: 'right' as const },
  { title: 'MESSAGES', align: 'right' as const },
  { title: 'REASON' },
];

/** Prints the sessions that have ended. */
export function printHistory({ out, notes }: Cli, sessions: readonly EndedSession[], json: boolean): void {
  if (json) return out.line(safeJson(sessions));
  if (sessions.length === 0) return notes.line('No session has ended yet.');
  const rows = sessions.map(
    ({ session_id: id, status, started_at: from, ended_at: to, stop_reason: reason, totals }) => [
      id,
      status,
      from.slice(0, 19),
      to === null ? '' : elapsed((Date.parse(to) - Date.parse(from)) / 1000),
      count(totals.mailboxes),
      count(totals.messages),
      reason,
    ],
  );
  out.line(renderTable(COLUMNS, rows, out));
}
