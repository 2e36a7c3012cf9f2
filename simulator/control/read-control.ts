import { z } from 'zod';
import type { LimitOptions } from '../msgraph/limits.ts';
import { ROLES } from '../msgraph/request.ts';
import type { TenantChange, TreeSize } from './changes.ts';
import type { ChurnOptions } from './churn.ts';
import type { MessageBulk } from './new-message.ts';
import { parsed } from './parsed.ts';

const count = z.int().min(0);
const limit = z.union([z.int().min(1), z.null()]);

const limits: z.ZodType<LimitOptions> = z.strictObject({
  mailboxConcurrency: limit.exactOptional(),
  mailboxRequests: limit.exactOptional(),
  mailboxWindowSeconds: z.number().positive().exactOptional(),
  requestsPerSecond: limit.exactOptional(),
});

const churn: z.ZodType<ChurnOptions> = z.strictObject({
  mailbox: z.string().exactOptional(),
  perSecond: z.number().positive().max(100_000),
  seed: z.int().exactOptional(),
  changes: z.int().min(1).exactOptional(),
  folders: z.boolean().exactOptional(),
});

const bulk: z.ZodType<MessageBulk> = z.strictObject({
  recipients: count.exactOptional(),
  attachments: count.exactOptional(),
  attachmentBytes: count.exactOptional(),
  bodyCharacters: count.exactOptional(),
});

const treeSize: z.ZodType<TreeSize> = z.strictObject({
  deep: count.exactOptional(),
  wide: count.exactOptional(),
  messages: count.exactOptional(),
});

const tenantChange: z.ZodType<TenantChange> = z.strictObject({
  app: z.enum(['enabled', 'disabled', 'deleted', 'notInTenant', 'blocked']).exactOptional(),
  tenantGone: z.boolean().exactOptional(),
  clientSecret: z.string().min(1).exactOptional(),
  secretExpired: z.boolean().exactOptional(),
  certificate: z.union([z.string(), z.null()]).exactOptional(),
  tokenLifetimeSeconds: count.exactOptional(),
  roles: z.array(z.enum(ROLES)).exactOptional(),
  revokeTokens: z.boolean().exactOptional(),
});

/** Readers of what comes over HTTP. Each throws ControlError 400 that names the member at fault. */
export const readLimits = (body: unknown): LimitOptions => parsed(limits, body, 'limits');
export const readChurn = (body: unknown): ChurnOptions => parsed(churn, body, 'flow of changes');
export const readBulk = (body: unknown): MessageBulk => parsed(bulk, body ?? {}, 'bulk');
export const readTreeSize = (body: unknown): TreeSize => parsed(treeSize, body, 'tree of folders');
export const readTenantChange = (body: unknown): TenantChange => parsed(tenantChange, body, 'change of the tenant');
