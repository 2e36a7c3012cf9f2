import { z } from 'zod';
import { DESTINATION_KINDS, DESTINATION_STATUSES } from '../../model/destination.ts';
import { POLLING_MODES, SESSION_STATUSES } from '../../model/session.ts';
import { Count, OrganizationId, OrganizationQuery, ScanId, Success, Time, text, wholeNumberOr } from './common.ts';
import { Filters } from './scan-start.ts';

const PollingMode = z.enum(POLLING_MODES);

/** Every field has a default, so that no body at all starts a session as well. */
export const SessionStart = z
  .strictObject({
    polling_mode: PollingMode.default('scheduled').meta({
      description: '`scheduled`: the mailboxes are swept for changes by themselves; `manual`: only when somebody asks',
    }),
    polling_interval: z
      .int('must be a whole number of seconds')
      .min(10, 'must be at least 10 seconds')
      .max(86_400, 'must be at most 86400 seconds')
      .default(300)
      .meta({ description: 'Seconds between two sweeps' }),
    enable_webhook: z
      .boolean()
      .default(true)
      .meta({ description: "Whether Graph is to notify of changes; where it cannot, the session's status says why" }),
    filters: Filters.default({ folders: ['inbox'] }),
    mark_as_read: z
      .boolean()
      .default(false)
      .meta({ description: 'Mark messages as read once they are stored; needs the permission `Mail.ReadWrite`' }),
    only_unread: z.boolean().default(false).meta({ description: 'Only messages that nobody has read' }),
  })
  .prefault({})
  .meta({
    id: 'SessionStart',
    example: { polling_mode: 'scheduled', polling_interval: 300, enable_webhook: true },
  });
export type SessionStart = z.output<typeof SessionStart>;

export const SessionStop = z
  .strictObject({ reason: text(200).default('user_requested') })
  .prefault({})
  .meta({ id: 'SessionStop', example: { reason: 'user_requested' } });

export const Session = z
  .strictObject({
    session_id: z.string(),
    organization_id: OrganizationId,
    status: z.enum(SESSION_STATUSES),
    polling_mode: PollingMode,
    polling_interval: Count.meta({ description: 'Seconds, as asked for' }),
    enable_webhook: z.boolean(),
    filters: z.record(z.string(), z.unknown()),
    mark_as_read: z.boolean(),
    only_unread: z.boolean(),
    started_at: Time,
    stopping_at: Time.nullable(),
    ended_at: Time.nullable(),
    stop_reason: z.string().nullable(),
    trouble: z.string().nullable().meta({ description: 'What keeps it from doing all that it should, in words' }),
  })
  .meta({
    id: 'Session',
    example: {
      session_id: 'session-0f6c2a1e-5f0e-4c6e-9d3a-2b7c1d4e5f60',
      organization_id: 'contoso',
      status: 'running',
      polling_mode: 'scheduled',
      polling_interval: 300,
      enable_webhook: true,
      filters: { folders: ['inbox'] },
      mark_as_read: false,
      only_unread: false,
      started_at: '2026-11-21T09:00:00.000Z',
      stopping_at: null,
      ended_at: null,
      stop_reason: null,
      trouble: null,
    },
  });

export const SessionAnswer = z
  .strictObject({ success: Success, message: z.string(), session: Session })
  .meta({ id: 'SessionAnswer' });

export const SessionCleared = z
  .strictObject({
    success: Success,
    message: z.string(),
    session: Session.nullable().meta({ description: 'The session that there was' }),
  })
  .meta({ id: 'SessionCleared' });

const Share = z
  .number()
  .min(0)
  .max(1)
  .nullable()
  .meta({ description: 'missed / (told + missed), 0 to 1; null where there were no messages' });

/** New messages by how they were found, while Graph was asked to notify. */
const told = {
  told: Count.meta({ description: 'New messages that a notification named' }),
  missed: Count.meta({ description: 'New messages that a delta found and no notification named' }),
};

const Refusal = { mailbox_id: z.string(), reason: z.string().nullable() };
const MailboxId = z.string().meta({ description: "The mailbox's directory id" });

const Polling = z.strictObject({
  status: z.enum(['scheduled', 'manual', 'stopped']),
  interval: Count.nullable().meta({
    description:
      'Seconds between two sweeps as they are now: less than asked for where notifications do not tell enough',
  }),
  last_sweep: z
    .strictObject({ at: Time, milliseconds: Count.nullable(), changed_mailboxes: Count.nullable() })
    .nullable(),
});

const Webhook = z.strictObject({
  status: z.enum(['off', 'starting', 'on', 'unreachable', 'stopped']),
  reason: z.string().nullable().meta({ description: 'Why notifications do not come, in words' }),
  url: z.string().nullable().meta({ description: 'Where Graph is to reach us' }),
  notifications: z.strictObject({
    taken: Count,
    joined: Count.meta({ description: 'Of those taken: one for the same message waited already' }),
    refused: Count,
  }),
  subscriptions: z.strictObject({
    active: Count,
    wanted: Count.meta({ description: 'To be made, or to be made anew' }),
    refused: Count,
    refusals: z.array(z.strictObject({ ...Refusal, code: z.string().nullable() })),
  }),
});

const Processing = z.strictObject({
  status: z.enum(['working', 'idle', 'stopped']),
  mailboxes_being_read: Count.meta({ description: 'Of the organization, by whomever' }),
  mailboxes_due: Count.meta({ description: 'Of the session, that wait for a delta round or are in one' }),
  messages: Count.meta({ description: 'Messages that the session has seen' }),
  mark_as_read: z.strictObject({ enabled: z.boolean(), marked: Count, refused: z.string().nullable() }),
});

const queue = {
  waiting: Count.meta({ description: 'Messages that notifications named and nobody reads yet; deliveries to be made' }),
  in_work: Count.meta({ description: 'The same: in mailboxes that are being read; deliveries that are being made' }),
  failed: Count.meta({ description: 'Messages in quarantine; dead letters' }),
};

const Sending = z.strictObject({
  status: z.enum(['not_configured', 'paused', 'failing', 'working', 'idle']).meta({
    description: '`failing`: one of the destinations that are not paused takes nothing, or not all',
  }),
  destinations: z.strictObject({ active: Count, paused: Count, failing: Count }),
  deliveries: z.strictObject({
    waiting: Count.meta({ description: 'For attachments' }),
    owed: Count.meta({ description: 'To be sent, now or later' }),
    sending: Count,
    dead: Count.meta({ description: 'Dead letters' }),
    delivered: Count.meta({ description: 'Ever' }),
  }),
});

const mailboxes = {
  followed: Count,
  left: Count.meta({ description: 'No longer in the tenant' }),
  skipped: Count,
};

const Loss = z.strictObject({
  ...told,
  rate: Share,
  worst: z.array(z.strictObject({ mailbox_id: MailboxId, ...told, rate: Share })),
});

export const SessionState = z
  .strictObject({
    success: Success,
    organization_id: OrganizationId,
    session: Session.nullable().meta({ description: 'The one that runs, else the last one; null where none ever did' }),
    services: z.strictObject({
      polling: Polling,
      webhook: Webhook,
      processing: Processing,
      sending: Sending,
    }),
    queue: z.strictObject({ ...queue, oldest_at: Time.nullable() }),
    last_poll_at: Time.nullable().meta({ description: 'The last sweep, or poll that somebody asked for' }),
    last_notification_at: Time.nullable(),
    mailboxes: z.strictObject({
      ...mailboxes,
      skipped_for: z.array(z.strictObject({ reason: z.string().nullable(), mailboxes: Count })),
      skipped_mailboxes: z.array(z.strictObject(Refusal)),
    }),
    loss: Loss.meta({ description: 'Of messages that came while Graph was asked to notify' }),
    workflow: z
      .strictObject({
        id: z.string(),
        status: z.enum(['running', 'not_running', 'unknown']).meta({
          description: 'As Temporal says; `unknown` while it is out of reach',
        }),
        url: z.string().nullable(),
      })
      .meta({ description: 'Of the session that runs' }),
  })
  .meta({ id: 'SessionState' });

export const SessionHistoryQuery = OrganizationQuery.extend({
  limit: wholeNumberOr(20, 1, 1000, 'Sessions to answer'),
});

export const SessionHistory = z
  .strictObject({
    success: Success,
    organization_id: OrganizationId,
    sessions: z.array(
      Session.extend({
        totals: z.strictObject({
          mailboxes: Count,
          messages: Count,
          ...told,
          notifications: Count,
          marked_as_read: Count,
        }),
      }),
    ),
  })
  .meta({ id: 'SessionHistory' });

export const SessionMessagesQuery = OrganizationQuery.extend({
  limit: wholeNumberOr(100, 1, 1000, 'Messages to answer'),
  from: z
    .enum(['start', 'now'], 'must be start or now')
    .default('start')
    .meta({ description: 'Where no `cursor` is given: all that the session has seen, or what is stored from now on' }),
  cursor: z.string().max(100).optional().meta({ description: 'The `cursor` of an earlier answer: what came after it' }),
});

export const SessionMessages = z
  .strictObject({
    success: Success,
    session_id: z.string(),
    messages: z.array(
      z.strictObject({
        id: z.string(),
        mailbox_id: z.string(),
        mailbox: z.string().nullable(),
        folder: z.string().nullable(),
        subject: z.string().nullable(),
        from_address: z.string().nullable(),
        from_name: z.string().nullable(),
        received_date_time: z.string().nullable(),
        has_attachments: z.boolean().nullable(),
        is_read: z.boolean().nullable(),
        stored_at: Time,
      }),
    ),
    cursor: z.string().meta({ description: 'Where to go on, also where nothing more is there yet' }),
    has_more: z.boolean(),
  })
  .meta({ id: 'SessionMessages' });

export const PollStarted = z
  .strictObject({
    success: Success,
    message: z.string(),
    organization_id: OrganizationId,
    scanId: ScanId.meta({
      description: 'The incremental scan that does it: its status and coverage tell of the round',
    }),
    status: z.enum(['running', 'pending']),
  })
  .meta({ id: 'PollStarted' });

export const SessionMetrics = z
  .strictObject({
    success: Success,
    organization_id: OrganizationId,
    session_id: z.string().nullable().meta({ description: 'Null where no session runs: the other figures are zero' }),
    status: z.enum(SESSION_STATUSES).nullable(),
    uptime_seconds: Count,
    queue: z.strictObject(queue),
    mailboxes: z.strictObject({ ...mailboxes, being_read: Count, due: Count }),
    messages: z.strictObject({ seen: Count, ...told, marked_as_read: Count }),
    notifications: z.strictObject({ taken: Count, joined: Count, refused: Count, loss_rate: Share }),
    subscriptions: z.strictObject({ active: Count, wanted: Count, refused: Count }),
    sweep: z.strictObject({
      interval: Count.nullable(),
      milliseconds: Count.nullable(),
      changed_mailboxes: Count.nullable(),
    }),
    last_poll_at: Time.nullable(),
    last_notification_at: Time.nullable(),
    losses: z.array(z.strictObject({ mailbox_id: MailboxId, ...told, rate: Share })),
    destinations: z.array(
      z.strictObject({
        destination_id: z.string(),
        kind: z.enum(DESTINATION_KINDS),
        status: z.enum(DESTINATION_STATUSES),
        circuit: z.enum(['closed', 'open', 'half_open']),
        healthy: z.boolean().nullable().meta({ description: 'When it was last tried or asked; null: it has not been' }),
        waiting: Count,
        owed: Count,
        sending: Count,
        dead: Count,
        delivered: Count,
        answered: Count.meta({ description: 'Of those delivered: answered that something is wrong' }),
        oldest_owed_seconds: z.number().min(0),
        delivered_last_minute: Count,
        average_seconds: z
          .number()
          .nullable()
          .meta({ description: 'From being owed to being accepted, in that minute' }),
        error_rate: z.number().min(0).max(1).nullable().meta({
          description: 'Failed attempts among those of the last hour, of the last 1,000 deliveries',
        }),
        arrival_seconds: z
          .strictObject({ p50: z.number().nullable(), p99: z.number().nullable() })
          .meta({ description: 'From the arrival of new mail in its mailbox to being accepted' }),
      }),
    ),
  })
  .meta({ id: 'SessionMetrics' });
