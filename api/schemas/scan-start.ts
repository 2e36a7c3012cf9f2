import { z } from 'zod';
import { CONTENTS } from '../../model/content.ts';
import { SCAN_MODES } from '../../model/scan.ts';
import { certificateProblem, splitCertificate } from '../client-certificate.ts';
import { OrganizationId, ScanId, Success, Time, When, text } from './common.ts';

const MIN_LENGTH = 10;

/** What names the app registration; its absence has wording of its own that clients know. */
const credentialPart = (name: string) =>
  z
    .string({ error: ({ input }) => (input == null ? `${name} is required` : undefined) })
    .min(MIN_LENGTH, `must have at least ${MIN_LENGTH} characters`)
    .max(1000, 'must have at most 1000 characters')
    .refine((value) => /^[\x20-\x7e]*$/.test(value), 'must be printable ASCII');

export const ClientId = credentialPart('Client ID').meta({
  description: 'Application (client) id of the app registration',
  example: '11111111-2222-3333-4444-555555555555',
});
const TenantId = credentialPart('Tenant ID')
  .regex(/^[A-Za-z0-9.-]*$/, 'must be a GUID or a domain of the tenant')
  .meta({
    description: 'Directory (tenant) id, or a verified domain of the tenant',
    example: '66666666-7777-8888-9999-000000000000',
  });
export const ClientSecret = credentialPart('Client Secret').meta({
  description: 'The value of a client secret of the app registration; it is kept encrypted and never shown again',
  example: 'your-client-secret-here',
});

const pem = z.string().max(50_000, 'must have at most 50000 characters');
export const ClientCertificate = z
  .union([pem, z.strictObject({ certificate: pem, privateKey: pem })], {
    error: 'must be a PEM text, or {certificate, privateKey} with one PEM text each',
  })
  .superRefine((value, context) => {
    const problem = certificateProblem(splitCertificate(value));
    if (problem) context.addIssue({ code: 'custom', message: problem });
  })
  .meta({
    description:
      'Instead of `clientSecret`: certificate and unencrypted private key, both in one PEM text or in one member each',
  });

export const hasNoSecret = (auth: unknown): boolean =>
  typeof auth === 'object' && auth !== null && !('clientSecret' in auth) && !('clientCertificate' in auth);
export const hasTwoSecrets = (auth: unknown): boolean =>
  typeof auth === 'object' && auth !== null && 'clientSecret' in auth && 'clientCertificate' in auth;
/** The check is made though other fields are at fault, so that all faults are told at once. */
export const always = { when: (): boolean => true };

export const Auth = z
  .strictObject({
    clientId: ClientId,
    clientSecret: ClientSecret.optional(),
    tenantId: TenantId,
    clientCertificate: ClientCertificate.optional(),
  })
  .refine((auth) => !hasNoSecret(auth), { path: ['clientSecret'], error: 'Client Secret is required', ...always })
  .refine((auth) => !hasTwoSecrets(auth), {
    path: ['clientCertificate'],
    error: 'give either clientSecret or clientCertificate, not both',
    ...always,
  })
  .meta({
    description:
      "The app registration. A working one replaces the organization's stored connection; may be left out where the organization has a connection already",
  });
export type Auth = z.output<typeof Auth>;

const MailboxNames = z
  .array(text(320))
  .max(5000, 'must have at most 5000 entries')
  .meta({ description: 'Addresses, domains or directory ids', example: ['contoso.example', 'legal@fabrikam.example'] });

export const Filters = z
  .strictObject({
    folders: z
      .array(text(255))
      .min(1, 'must name at least one folder')
      .max(100, 'must have at most 100 entries')
      .default(['inbox'])
      .meta({
        description:
          'Well-known names in any case (`inbox`, `sentitems`, also `sent`, `drafts`, `deleted`, `junk`), display names, paths (`Inbox/Projects`), or `all`',
        example: ['inbox', 'sent'],
      }),
    mailboxes: z.strictObject({ include: MailboxNames.optional(), exclude: MailboxNames.optional() }).optional(),
    since: When.optional().meta({ description: 'Only messages received at this time or later' }),
    until: When.optional().meta({ description: 'Only messages received before this time' }),
    content: z
      .enum(CONTENTS, { error: `must be one of ${CONTENTS.join(', ')}` })
      .optional()
      .meta({
        description:
          'What is kept of a message: `headers` (all but the body: utilities get an empty one), `full` (the body as well; the default), `attachments` (its attachments as well), `mime` (its original bytes, RFC 5322, as well)',
      }),
  })
  .refine(({ since, until }) => since === undefined || until === undefined || since < until, {
    path: ['until'],
    error: 'must be later than since',
  });

const Config = z.strictObject({
  scanId: ScanId,
  organizationId: OrganizationId,
  type: z
    .array(z.literal('email', { error: 'only "email" is supported' }))
    .length(1, 'must be ["email"]')
    .default(['email']),
  mode: z
    .enum(SCAN_MODES)
    .default('full')
    .meta({ description: '`full` reads every folder from nothing, `incremental` what changed since the last scan' }),
  auth: Auth.optional(),
  filters: Filters.default({ folders: ['inbox'] }),
});
export type ScanConfig = z.output<typeof Config>;

export const ScanStart = z.strictObject({ config: Config }).meta({
  id: 'ScanStart',
  example: {
    config: {
      scanId: 'contoso-2026-11',
      organizationId: 'contoso',
      type: ['email'],
      auth: {
        clientId: '11111111-2222-3333-4444-555555555555',
        clientSecret: 'your-client-secret-here',
        tenantId: '66666666-7777-8888-9999-000000000000',
      },
      filters: { folders: ['inbox'] },
    },
  },
});

export const ScanStarted = z
  .strictObject({
    success: Success,
    scanId: ScanId,
    status: z.enum(['running', 'pending']).meta({ description: '`pending` while as many scans run as may' }),
    startTime: Time,
    message: z.string().meta({ example: 'outlook_emails extraction scan initiated successfully' }),
    warnings: z
      .array(z.string())
      .optional()
      .meta({ description: 'What someone should look after, such as a credential that ends soon' }),
  })
  .meta({
    id: 'ScanStarted',
    example: {
      success: true,
      scanId: 'contoso-2026-11',
      status: 'running',
      startTime: '2026-11-21T09:00:00.000Z',
      message: 'outlook_emails extraction scan initiated successfully',
    },
  });
