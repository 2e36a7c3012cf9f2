import { Gauge, Counter, Registry, type RegistryContentType } from 'prom-client';
import { lossRate } from '../model/session.ts';
import type { SessionRow } from '../store/sessions.ts';
import { DELIVERY_FAMILIES, destinationsJson } from './delivery-metrics.ts';
import type { Family, Sample } from './metric-family.ts';
import { lastPollOf, lossOf, queueOf, type Figures } from './session-figures.ts';

/** An organization, its session where one runs, and what is counted of both. */
export interface Measured {
  readonly organizationId: string;
  readonly session: SessionRow | undefined;
  readonly figures: Figures;
}

/** The figures of the current session, as JSON. */
export function jsonMetrics({ organizationId, session, figures }: Measured, now: number): object {
  const { mailboxes, found, subscriptions, work, losses, destinations } = figures;
  return {
    organization_id: organizationId,
    session_id: session?.sessionId ?? null,
    status: session?.status ?? null,
    uptime_seconds: session ? Math.max(0, Math.floor((now - Date.parse(session.startedAt)) / 1000)) : 0,
    queue: queueOf(figures),
    mailboxes: {
      followed: mailboxes.followed,
      left: mailboxes.left,
      skipped: mailboxes.skipped,
      being_read: work.mailboxes,
      due: mailboxes.due,
    },
    messages: { seen: figures.messages, ...found, marked_as_read: session?.markedAsRead ?? 0 },
    notifications: {
      taken: session?.notificationsTaken ?? 0,
      joined: session?.notificationsJoined ?? 0,
      refused: session?.notificationsRefused ?? 0,
      loss_rate: lossRate(found),
    },
    subscriptions,
    sweep: {
      interval: session?.sweepSeconds ?? null,
      milliseconds: session?.lastSweepMs ?? null,
      changed_mailboxes: session?.lastSweepChanged ?? null,
    },
    last_poll_at: session ? lastPollOf(session) : null,
    last_notification_at: session?.lastNotificationAt ?? null,
    losses: losses.map(lossOf),
    destinations: destinationsJson(destinations, now),
  };
}

const one = (value: number | null | undefined): readonly Sample[] => [[{}, value]];
const by = (label: string, values: Readonly<Record<string, number | undefined>>): readonly Sample[] =>
  Object.entries(values).map(([name, value]) => [{ [label]: name }, value]);
const seconds = (time: string | null | undefined): number | null => (time == null ? null : Date.parse(time) / 1000);

/** Everything that is told of an organization; a sample without a value is left out. */
const FAMILIES: readonly Family<Measured>[] = [
  {
    name: 'outhaul_session_running',
    help: 'Whether a session of the organization runs',
    samples: ({ session }) => one(session?.status === 'running' ? 1 : 0),
  },
  {
    name: 'outhaul_session_start_time_seconds',
    help: 'When the session was started, Unix time',
    samples: ({ session }) => one(seconds(session?.startedAt)),
  },
  {
    name: 'outhaul_queue_messages',
    help: 'Messages that notifications named and deliveries, waiting or in work; messages in quarantine and dead letters (failed)',
    labels: ['state'],
    samples: ({ figures }) => by('state', queueOf(figures)),
  },
  {
    name: 'outhaul_session_mailboxes',
    help: 'Mailboxes of the session',
    labels: ['state'],
    samples: ({ session, figures: { mailboxes } }) => (session ? by('state', { ...mailboxes }) : []),
  },
  {
    name: 'outhaul_mailboxes_being_read',
    help: 'Mailboxes of the organization that are being read, by whomever',
    samples: ({ figures }) => one(figures.work.mailboxes),
  },
  {
    name: 'outhaul_session_messages_total',
    help: 'Messages that the session has seen',
    counts: true,
    samples: ({ session, figures: { messages } }) => one(session && messages),
  },
  {
    // A notification that comes late makes a missed message a told one.
    name: 'outhaul_session_new_messages',
    help: 'New messages while Graph was asked to notify: named by a notification (told), found by a delta alone (missed)',
    labels: ['found'],
    samples: ({ session, figures: { found } }) => (session ? by('found', { ...found }) : []),
  },
  {
    name: 'outhaul_session_notifications_total',
    help: 'Notifications of the session: taken, of those joined with one that waited, and refused',
    labels: ['outcome'],
    counts: true,
    samples: ({ session }) =>
      by('outcome', {
        taken: session?.notificationsTaken,
        joined: session?.notificationsJoined,
        refused: session?.notificationsRefused,
      }),
  },
  {
    name: 'outhaul_session_marked_as_read_total',
    help: 'Messages that the session has marked as read',
    counts: true,
    samples: ({ session }) => one(session?.markedAsRead),
  },
  {
    name: 'outhaul_subscriptions',
    help: "Subscriptions to the mailboxes' changes",
    labels: ['state'],
    samples: ({ session, figures: { subscriptions } }) => (session ? by('state', { ...subscriptions }) : []),
  },
  {
    name: 'outhaul_notification_loss_ratio',
    help: 'Share of new messages that no notification named, while Graph was asked to notify',
    samples: ({ figures: { found } }) => one(lossRate(found)),
  },
  {
    name: 'outhaul_mailbox_notification_loss_ratio',
    help: 'The same for each mailbox that had new messages',
    labels: ['mailbox'],
    samples: ({ figures: { losses } }) => losses.map((loss) => [{ mailbox: loss.mailboxId }, lossRate(loss)]),
  },
  {
    name: 'outhaul_sweep_interval_seconds',
    help: 'Time between two sweeps as they are now',
    samples: ({ session }) => one(session?.sweepSeconds),
  },
  {
    name: 'outhaul_last_sweep_duration_seconds',
    help: 'How long the last sweep took',
    samples: ({ session }) => one(session?.lastSweepMs == null ? null : session.lastSweepMs / 1000),
  },
  {
    name: 'outhaul_last_sweep_changed_mailboxes',
    help: 'Mailboxes in which the last sweep found changes',
    samples: ({ session }) => one(session?.lastSweepChanged),
  },
  {
    name: 'outhaul_last_poll_time_seconds',
    help: 'When mailboxes were last polled, Unix time',
    samples: ({ session }) => one(session && seconds(lastPollOf(session))),
  },
  {
    name: 'outhaul_last_notification_time_seconds',
    help: 'When the last notification came, Unix time',
    samples: ({ session }) => one(seconds(session?.lastNotificationAt)),
  },
];

const ALL_FAMILIES: readonly Family<Measured>[] = [
  ...FAMILIES,
  ...DELIVERY_FAMILIES.map((family) => ({
    ...family,
    samples: ({ figures }: Measured) => family.samples(figures.destinations),
  })),
];

/** What a scraper may be given. */
export type Exposition = 'text/plain' | 'application/openmetrics-text';

/** The registry that a scrape is answered from, with what is told of organizations in it. */
export function scrapeRegistry(exposition: Exposition, measured: readonly Measured[]): Registry<RegistryContentType> {
  const registry = new Registry<RegistryContentType>();
  if (exposition === 'application/openmetrics-text') registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  for (const { name, help, labels = [], counts, samples } of ALL_FAMILIES) {
    const options = { name, help, labelNames: ['organization', ...labels], registers: [registry] };
    const metric = counts ? new Counter(options) : new Gauge(options);
    for (const each of measured) {
      for (const [sample, value] of samples(each)) {
        if (value != null) metric.inc({ organization: each.organizationId, ...sample }, value);
      }
    }
  }
  return registry;
}

/**
 * Which exposition a request asks for by its `Accept`; undefined where JSON is meant. What names JSON as well, as many
 * HTTP clients do by default, means that unless it likes text better.
 */
export function expositionOf(accept: string | undefined): Exposition | undefined {
  const named = (accept ?? '').split(',').map((part) => {
    const [type = '', ...parameters] = part.split(';').map((word) => word.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith('q='));
    return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) };
  });
  const best = (type: string): number =>
    Math.max(0, ...named.filter((each) => each.type === type).map((each) => each.quality));
  const [openMetrics, text] = [best('application/openmetrics-text'), best('text/plain')];
  if (Math.max(openMetrics, text) === 0 || best('application/json') >= Math.max(openMetrics, text)) return undefined;
  return openMetrics >= text ? 'application/openmetrics-text' : 'text/plain';
}
