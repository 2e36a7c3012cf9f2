import { z } from 'zod';
import { CONTACT_COLUMNS } from '../../model/contact-sync.ts';
import { Count, OrganizationId, OrganizationQuery, Success, Time, text, wholeNumberOr } from './common.ts';

const MINUTE = 60;
const MONTH = 31 * 86_400;

const Column = text(255);
const Columns = z
  .strictObject({
    email: Column.default(CONTACT_COLUMNS.email),
    domain: Column.default(CONTACT_COLUMNS.domain),
    totalMailsSent: Column.default(CONTACT_COLUMNS.totalMailsSent),
    lastInteractedDate: Column.default(CONTACT_COLUMNS.lastInteractedDate),
  })
  .refine((columns) => new Set(Object.values(columns)).size === 4, 'must be four different columns')
  .meta({ description: "The table's columns, by what stands in them" });

const BaseId = z
  .string()
  .regex(/^app[A-Za-z0-9]{10,30}$/, 'must be the id of a base: "app" and letters and digits')
  .meta({ example: 'appQp1zrRZ7TnM1Ap' });
const TableName = text(255)
  .refine((name) => name !== '.' && name !== '..', 'must be the name or id of a table')
  .meta({ example: 'Contacts' });

export const ContactSettingsRequest = z
  .strictObject({
    organizationId: OrganizationId.optional(),
    airtable: z
      .strictObject({
        apiKey: text(500).optional().meta({ description: 'A personal access token. Left out: the one that is stored' }),
        baseId: BaseId,
        tableName: TableName,
      })
      .nullable()
      .default(null)
      .meta({ description: 'Null: what the environment names, where there is one organization' }),
    columns: Columns.default(CONTACT_COLUMNS),
    mailboxes: z
      .array(text(320))
      .min(1, 'must name at least one mailbox; null is all')
      .max(1000, 'must have at most 1000 names')
      .nullable()
      .default(null)
      .meta({ description: 'Whose sent items count, by address, id or domain. Null: MAILBOX_ADDRESS, or all' }),
    onChange: z
      .boolean()
      .default(true)
      .meta({ description: 'Whether changed statistics start a sync, once one has completed' }),
    everySeconds: z
      .int()
      .min(MINUTE, `must be at least ${MINUTE}`)
      .max(MONTH, `must be at most ${MONTH}`)
      .nullable()
      .default(null)
      .meta({ description: 'Between two syncs; null: none begins by itself' }),
  })
  .meta({ id: 'ContactSettingsRequest' });

const Settings = z.strictObject({
  organizationId: OrganizationId,
  airtable: z.strictObject({ baseId: z.string(), tableName: z.string() }).nullable(),
  source: z.enum(['settings', 'environment', 'none']).meta({ description: 'Where `airtable` is named' }),
  columns: Columns,
  mailboxes: z.array(z.string()).nullable(),
  onChange: z.boolean(),
  everySeconds: z.int().nullable(),
  changedAt: Time.nullable().meta({ description: 'Null: nobody has set anything' }),
});

export const ContactSettingsShown = z
  .strictObject({ success: Success, settings: Settings })
  .meta({ id: 'ContactSettings' });
export const ContactSettingsSaved = z
  .strictObject({ success: Success, message: z.string(), settings: Settings })
  .meta({ id: 'ContactSettingsSaved' });
export const ContactsForgotten = z
  .strictObject({ success: Success, message: z.string(), organizationId: OrganizationId })
  .meta({ id: 'ContactsForgotten' });

export const ContactsQuery = OrganizationQuery.extend({
  limit: wholeNumberOr(100, 1, 1000, 'Contacts to answer'),
  offset: wholeNumberOr(0, 0, 1_000_000_000, 'Contacts to leave out before them'),
});

export const ContactList = z
  .strictObject({
    success: Success,
    organizationId: OrganizationId,
    complete: z.boolean().meta({ description: 'False: sent mail is still being counted' }),
    countedAt: z.string().nullable(),
    contacts: z.array(
      z.strictObject({
        address: z.string(),
        domain: z.string(),
        totalMailsSent: Count,
        lastInteractedDate: z.string().nullable(),
      }),
    ),
    pagination: z.strictObject({ limit: Count, offset: Count, total: Count, hasMore: z.boolean() }),
  })
  .meta({ id: 'ContactList' });

export const ContactSyncRequest = z
  .strictObject({
    organizationId: OrganizationId.optional(),
    dryRun: z.boolean().default(false).meta({ description: 'Compare, and write nothing' }),
  })
  .default({ dryRun: false })
  .meta({ id: 'ContactSyncRequest' });

const Counts = z.strictObject({
  contacts: Count,
  records: Count.meta({ description: 'That Airtable had' }),
  added: Count,
  changed: Count,
  unchanged: Count,
  duplicates: Count.meta({ description: 'Records left alone because an older one has the same address' }),
  reads: Count.meta({ description: 'Requests' }),
  writes: Count.meta({ description: 'Requests' }),
});

const Sync = z.strictObject({
  syncId: z.uuid(),
  organizationId: OrganizationId,
  dryRun: z.boolean(),
  startedBy: z.enum(['call', 'schedule', 'change']),
  status: z.enum(['pending', 'running', 'completed', 'failed']),
  requestedAt: z.string(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  counts: Counts.nullable(),
  reason: z.string().nullable().meta({ description: 'Why it failed' }),
});

export const ContactSyncStarted = z
  .strictObject({ success: Success, message: z.string(), sync: Sync })
  .meta({ id: 'ContactSyncStarted' });
export const ContactSyncList = z
  .strictObject({ success: Success, organizationId: OrganizationId, syncs: z.array(Sync) })
  .meta({ id: 'ContactSyncList' });

const Fields = z.record(z.string(), z.unknown());

export const ContactSyncShown = z
  .strictObject({
    success: Success,
    sync: Sync,
    differences: z
      .array(
        z.strictObject({
          change: z.enum(['new', 'changed']),
          address: z.string(),
          before: Fields.nullable(),
          after: Fields,
        }),
      )
      .meta({ description: 'Of the last dry run: what it would have written, up to 1,000 records' }),
  })
  .meta({ id: 'ContactSync' });

export const ContactSyncParams = z.object({ id: z.uuid('must be the id of a sync') });
