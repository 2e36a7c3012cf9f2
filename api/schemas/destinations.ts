import { z } from 'zod';
import { DESTINATION_STARTS, DESTINATION_STATUSES, type DestinationKind } from '../../model/destination.ts';
import { Count, OrganizationId, Success, Time, When, text } from './common.ts';
import { givenSecret } from './destination-secrets.ts';
import { givenSettings, shownSettings } from './destination-settings.ts';
import { always } from './scan-start.ts';

export const DestinationId = z
  .uuid('must be the id of a destination, as GET /api/v1/destinations lists it')
  .transform((id) => id.toLowerCase())
  .meta({ example: '0f8fad5b-d9cb-469f-a165-70867728950e' });

export const DestinationParams = z.object({ id: DestinationId });

const Name = text(100).meta({ description: 'Unique in its organization', example: 'invoices' });

const KIND_RULE = 'must be redis_list, folder, utility or batch';
const kindError = (issue: { readonly code?: string | undefined }): string | undefined =>
  issue.code === 'invalid_union' ? KIND_RULE : undefined;

const requestOf = <Kind extends DestinationKind>(kind: Kind) =>
  z.strictObject({
    organizationId: OrganizationId.optional().meta({
      description: "Whose mail it gets; may be left out with an organization's key, or where there is only one",
    }),
    name: Name,
    kind: z.literal(kind),
    settings: givenSettings(kind),
    secret: givenSecret(kind).optional(),
    starts: z
      .enum(DESTINATION_STARTS, 'must be now or stored')
      .default('now')
      .meta({ description: 'With what is stored from now on, or with all that is stored already' }),
  });

export const DestinationRequest = z
  .discriminatedUnion(
    'kind',
    [requestOf('redis_list'), requestOf('folder'), requestOf('utility'), requestOf('batch')],
    { error: kindError },
  )
  .meta({
    id: 'DestinationRequest',
    example: {
      organizationId: 'contoso',
      name: 'invoices',
      kind: 'utility',
      settings: { endpoint: 'https://utility.example/api', filters: { attachmentType: ['.pdf'] } },
      secret: { token: 'your-token-here' },
    },
  });

export const DestinationChange = z
  .strictObject({
    name: Name.optional(),
    settings: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: 'Those to change, as at its creation; `null` is the default again' }),
    secret: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: 'Parts to change; `null` takes one away, and has a new `signingKey` made' }),
  })
  .refine((body) => Object.keys(Object(body) as object).length > 0, { error: 'say what to change', ...always })
  .meta({ id: 'DestinationChange', example: { settings: { concurrency: 10, filters: { sender: ['company.com'] } } } });

export const RemovalQuery = z.object({
  drop: z
    .enum(['true', 'false'], 'must be true or false')
    .default('false')
    .meta({ default: 'false', description: 'Also with what it is owed, dead letters included: that is gone then' }),
});

export const ReplayRequest = z
  .strictObject({
    since: When.meta({ description: 'Messages received at this time or later' }),
    until: When.optional().meta({ description: 'Messages received before this time; default: now' }),
  })
  .refine(({ since, until = new Date().toISOString() }) => since < until, {
    path: ['since'],
    error: 'must be earlier than until, and than now',
  })
  .meta({ id: 'ReplayRequest', example: { since: '2026-11-01', until: '2026-11-02' } });

const CircuitShown = z
  .strictObject({
    state: z.enum(['closed', 'open', 'half_open']).meta({
      description: '`open`: nothing is sent for a while, for it fails; `half_open`: one attempt is made, to see',
    }),
    failures: Count.meta({ description: 'In a row, while it is closed' }),
    since: Time.nullable(),
    until: Time.nullable().meta({ description: 'When it is tried next' }),
  })
  .meta({ id: 'Circuit' });

const HealthShown = z
  .strictObject({
    healthy: z.boolean(),
    detail: z.string().meta({ example: 'It answers 200 and says "healthy"' }),
    latencyMs: Count.nullable(),
    checkedAt: Time,
  })
  .nullable()
  .meta({ description: 'When it was last tried or asked; null: it has not been' });

const entryOf = <Kind extends DestinationKind>(kind: Kind) =>
  z.strictObject({
    id: z.string().meta({ example: '0f8fad5b-d9cb-469f-a165-70867728950e' }),
    organizationId: OrganizationId,
    name: z.string(),
    kind: z.literal(kind),
    settings: shownSettings(kind),
    hasSecret: z.boolean(),
    status: z.enum(DESTINATION_STATUSES),
    starts: z.enum(DESTINATION_STARTS),
    fed: z.boolean().meta({ description: 'Whether it is owed all that it is to start with' }),
    circuit: CircuitShown,
    health: HealthShown,
    waiting: Count.meta({ description: 'Messages that wait for their attachments' }),
    owed: Count.meta({ description: 'To be sent, now or later' }),
    sending: Count,
    dead: Count.meta({ description: 'Dead letters' }),
    delivered: Count.meta({ description: 'Ever' }),
    answered: Count.meta({ description: 'Of those delivered: answered that something is wrong' }),
    oldestOwedAt: Time.nullable().meta({ description: 'Since when the oldest of what is to be sent is owed' }),
    lastMinute: z.strictObject({
      delivered: Count,
      averageMs: Count.nullable().meta({ description: 'From being owed to being accepted' }),
    }),
    createdAt: Time,
    changedAt: Time,
  });

const DestinationEntry = z
  .discriminatedUnion('kind', [entryOf('redis_list'), entryOf('folder'), entryOf('utility'), entryOf('batch')])
  .meta({ id: 'Destination' });
export type DestinationEntry = z.output<typeof DestinationEntry>;

export const DestinationList = z
  .strictObject({ success: Success, destinations: z.array(DestinationEntry) })
  .meta({ id: 'DestinationList' });

export const DestinationShown = z
  .strictObject({ success: Success, destination: DestinationEntry })
  .meta({ id: 'DestinationShown' });

export const DestinationAnswer = z
  .strictObject({
    success: Success,
    message: z.string(),
    destination: DestinationEntry,
    signingKey: z.string().optional().meta({ description: 'Where one was made just now; it is shown this once' }),
  })
  .meta({ id: 'DestinationAnswer' });

export const DestinationTested = z
  .strictObject({
    success: Success,
    id: z.string(),
    healthy: z.boolean(),
    latencyMs: Count,
    detail: z.string().meta({ example: 'It answers 200 and says "healthy"' }),
    length: Count.optional().meta({ description: 'Of a Redis list: the items in it' }),
  })
  .meta({ id: 'DestinationTested' });

export const DestinationRemoved = z
  .strictObject({
    success: Success,
    id: z.string(),
    dropped: Count.meta({ description: 'Deliveries that were owed or dead letters, and are gone' }),
    message: z.string(),
  })
  .meta({ id: 'DestinationRemoved' });

export const ReplayStarted = z
  .strictObject({
    success: Success,
    id: z.string(),
    requestId: z.string(),
    since: Time,
    until: Time,
    message: z.string(),
  })
  .meta({ id: 'ReplayStarted' });
