import { z } from 'zod';
import { CHECK_OUTCOMES, FINDING_STATUSES } from '../../model/connection-check.ts';
import { CLOUDS } from '../../model/connection.ts';
import { OrganizationId, Success, Time, text } from './common.ts';
import { Auth, ClientCertificate, ClientId, ClientSecret, always, hasNoSecret, hasTwoSecrets } from './scan-start.ts';

const ConnectionId = z
  .uuid('must be the id of a connection, as GET /api/v1/connections lists it')
  .transform((id) => id.toLowerCase())
  .meta({ description: 'Stays when the credential is replaced', example: '0f8fad5b-d9cb-469f-a165-70867728950e' });

export const ConnectionParams = z.object({ id: ConnectionId });

const SecretExpiresAt = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error: 'must be an ISO 8601 time, such as 2027-01-31T00:00:00Z, or a date',
  })
  .transform((value) => new Date(value).toISOString())
  .refine((value) => Date.parse(value) > Date.now(), 'must lie in the future')
  .meta({
    type: 'string',
    anyOf: undefined,
    description:
      'When the client secret ends, as the Microsoft Entra admin center shows it: an app cannot see it itself. It is warned of 30 days before',
    example: '2027-01-31',
  });

const Mailbox = text(320).meta({
  description:
    'Address or directory id of a mailbox that the app is meant to read; default: some of the tenant are tried',
  example: 'someone@contoso.example',
});

const hasUselessEnd = (auth: unknown, secretExpiresAt: unknown): boolean =>
  secretExpiresAt !== undefined && Object(auth) === auth && 'clientCertificate' in (auth as object);
const USELESS_END = 'is for client secrets: a certificate says itself when it ends';

export const ConnectionRequest = z
  .strictObject({
    organizationId: OrganizationId.optional().meta({
      description: "Whose connection it is; may be left out with an organization's key",
    }),
    auth: Auth,
    secretExpiresAt: SecretExpiresAt.optional(),
    mailbox: Mailbox.optional(),
  })
  .refine(({ auth, secretExpiresAt }) => !hasUselessEnd(auth, secretExpiresAt), {
    path: ['secretExpiresAt'],
    error: USELESS_END,
  })
  .meta({ id: 'ConnectionRequest' });

export const RotationRequest = z
  .strictObject({
    clientId: ClientId.optional().meta({ description: 'Where another app registration of the tenant takes over' }),
    clientSecret: ClientSecret.optional(),
    clientCertificate: ClientCertificate.optional(),
    secretExpiresAt: SecretExpiresAt.optional(),
    mailbox: Mailbox.optional(),
  })
  .refine((auth) => !hasNoSecret(auth), { path: ['clientSecret'], error: 'Client Secret is required', ...always })
  .refine((auth) => !hasTwoSecrets(auth), {
    path: ['clientCertificate'],
    error: 'give either clientSecret or clientCertificate, not both',
    ...always,
  })
  .refine((body) => !hasUselessEnd(body, body.secretExpiresAt), { path: ['secretExpiresAt'], error: USELESS_END })
  .meta({ id: 'RotationRequest' });

export const CheckRequest = z.strictObject({ mailbox: Mailbox.optional() }).default({}).meta({ id: 'CheckRequest' });

const Outcome = z.enum(CHECK_OUTCOMES).meta({
  description:
    '`failed`: a scan cannot do without what is missing. `unreachable`: Microsoft did not answer, so that nothing is known',
});

const ConnectionEntry = z
  .strictObject({
    id: z.string().meta({ example: '0f8fad5b-d9cb-469f-a165-70867728950e' }),
    organizationId: OrganizationId,
    tenantId: z.string(),
    clientId: z.string(),
    cloud: z.enum(CLOUDS),
    credential: z.strictObject({
      kind: z
        .enum(['secret', 'certificate'])
        .nullable()
        .meta({ description: 'Null: it is sealed under a key that is not in the key ring' }),
      expiresAt: Time.nullable().meta({ description: 'Null: not known' }),
      expiresInDays: z.int().nullable().meta({ description: 'Whole days; negative once it is over' }),
    }),
    createdAt: Time,
    rotatedAt: Time.meta({ description: 'Since when the credential is in use' }),
    lastCheck: z.strictObject({ checkedAt: Time, outcome: Outcome }).nullable(),
    warnings: z.array(z.string()).meta({ description: 'What someone should look after' }),
  })
  .meta({ id: 'Connection' });
export type ConnectionEntry = z.output<typeof ConnectionEntry>;

export const ConnectionList = z
  .strictObject({ success: Success, connections: z.array(ConnectionEntry) })
  .meta({ id: 'ConnectionList' });

export const ConnectionAnswer = z
  .strictObject({ success: Success, connection: ConnectionEntry })
  .meta({ id: 'ConnectionAnswer' });

const FindingEntry = z
  .strictObject({
    name: z.string().meta({ example: 'User.Read.All' }),
    status: z.enum(FINDING_STATUSES),
    meaning: z.string().meta({ example: 'The app may not list the users of the tenant.' }),
    advice: z.string().optional().meta({ description: 'What to do, click by click' }),
    link: z.url().optional().meta({ description: "Microsoft's page about it" }),
    code: z.string().optional().meta({ example: 'Authorization_RequestDenied' }),
    requestId: z.string().optional().meta({ description: "What Microsoft's support asks for" }),
  })
  .meta({ id: 'Finding' });

const checked = { outcome: Outcome, checkedAt: Time, findings: z.array(FindingEntry) };

export const ConnectionChecked = z
  .strictObject({ success: Success, connection: ConnectionEntry, ...checked })
  .meta({ id: 'ConnectionChecked' });

export const ConnectionRemoved = z
  .strictObject({ success: Success, id: z.string(), message: z.string() })
  .meta({ id: 'ConnectionRemoved' });
