import { describe, expect, it } from 'vitest';
import { noFigures } from '../../api/notifications/figures.ts';
import { addReceiverMetrics } from '../../api/receiver-metrics.ts';
import type { Figures } from '../../api/session-figures.ts';
import { expositionOf, jsonMetrics, scrapeRegistry } from '../../api/session-metrics.ts';
import type { SessionRow } from '../../store/sessions.ts';

const figures: Figures = {
  mailboxes: { followed: 100, left: 1, skipped: 2, due: 3 },
  found: { told: 80, missed: 20 },
  subscriptions: { wanted: 1, active: 98, refused: 1 },
  hints: { waiting: 7, oldestAt: null },
  quarantined: 2,
  messages: 150,
  work: { mailboxes: 4, hints: 3 },
  losses: [{ mailboxId: 'm-1', told: 1, missed: 3 }],
  destinations: [],
};

const session = {
  sessionId: 'session-1',
  status: 'running',
  startedAt: '2026-11-21T09:00:00.000Z',
  sweepSeconds: 75,
  lastSweepAt: '2026-11-21T09:05:00.000Z',
  lastSweepMs: 1500,
  lastSweepChanged: 5,
  lastPollAt: null,
  lastNotificationAt: null,
  notificationsTaken: 120,
  notificationsJoined: 4,
  notificationsRefused: 1,
  markedAsRead: 0,
} as SessionRow;

describe('what a request for metrics is answered with', () => {
  it.each([
    [undefined, undefined],
    ['*/*', undefined],
    ['application/json', undefined],
    ['application/json, text/plain, */*', undefined],
    ['text/html', undefined],
    ['text/plain;q=0', undefined],
    ['text/plain', 'text/plain'],
    ['text/plain;version=0.0.4;q=0.5,*/*;q=0.1', 'text/plain'],
    [
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      'application/openmetrics-text',
    ],
    ['APPLICATION/OPENMETRICS-TEXT; VERSION=1.0.0', 'application/openmetrics-text'],
  ])('Accept %j: %j', (accept, expected) => expect(expositionOf(accept)).toBe(expected));
});

describe('the figures of a session', () => {
  it('as JSON', () => {
    const now = Date.parse('2026-11-21T10:00:00Z');
    expect(jsonMetrics({ organizationId: 'contoso', session, figures }, now)).toMatchObject({
      session_id: 'session-1',
      uptime_seconds: 3600,
      queue: { waiting: 4, in_work: 3, failed: 2 },
      messages: { seen: 150, told: 80, missed: 20 },
      notifications: { taken: 120, loss_rate: 0.2 },
      sweep: { interval: 75, milliseconds: 1500, changed_mailboxes: 5 },
      last_poll_at: '2026-11-21T09:05:00.000Z',
      losses: [{ mailbox_id: 'm-1', rate: 0.75 }],
    });
  });

  it('for a scraper, with the organization as a label; what nobody knows is left out', async () => {
    const text = await scrapeRegistry('text/plain', [
      { organizationId: 'contoso', session, figures },
      { organizationId: 'fabrikam', session: undefined, figures: { ...figures, losses: [] } },
    ]).metrics();
    const lines = text.split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        '# TYPE outhaul_session_new_messages gauge',
        '# TYPE outhaul_session_messages_total counter',
        'outhaul_session_running{organization="contoso"} 1',
        'outhaul_session_running{organization="fabrikam"} 0',
        'outhaul_session_new_messages{organization="contoso",found="missed"} 20',
        'outhaul_queue_messages{organization="contoso",state="in_work"} 3',
        'outhaul_notification_loss_ratio{organization="contoso"} 0.2',
        'outhaul_mailbox_notification_loss_ratio{organization="contoso",mailbox="m-1"} 0.75',
        'outhaul_last_sweep_duration_seconds{organization="contoso"} 1.5',
      ]),
    );
    expect(text).not.toContain('outhaul_last_notification_time_seconds{');
    expect(text).not.toContain('outhaul_session_messages_total{organization="fabrikam"');
  });

  it('as OpenMetrics, with what the receiver counts', async () => {
    const registry = scrapeRegistry('application/openmetrics-text', [{ organizationId: 'contoso', session, figures }]);
    addReceiverMetrics(registry, { ...noFigures(), taken: 5, wakesFailed: 1 });
    const text = await registry.metrics();
    expect(registry.contentType).toContain('application/openmetrics-text');
    expect(text).toMatch(/^# TYPE outhaul_session_notifications counter$/m);
    expect(text).toMatch(/^outhaul_receiver_events_total\{event="wakes_failed"\} 1$/m);
    expect(text).toMatch(/^outhaul_receiver_refusals_total\{reason="forged"\} 0$/m);
    expect(text.trimEnd().endsWith('# EOF')).toBe(true);
  });
});
