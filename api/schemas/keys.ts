import { z } from 'zod';
import { Count, OrganizationId, OrganizationQuery, Success, Time, text, wholeNumber } from './common.ts';

const KeyName = text(100).meta({
  description: 'Who uses it, for people to tell keys apart',
  example: 'nightly export',
});
const Owner = OrganizationId.nullable().meta({ description: "Null: an administrator's" });

export const KeyRequest = z.strictObject({ name: KeyName, organizationId: Owner }).meta({ id: 'KeyRequest' });

export const KeyMade = z
  .strictObject({
    success: Success,
    id: Count,
    key: z.string().meta({ description: 'Shown this once', example: 'outhaul_7_…' }),
    organizationId: Owner,
    name: z.string(),
    message: z.string(),
  })
  .meta({ id: 'KeyMade' });

export const KeysQuery = OrganizationQuery;

export const KeyList = z
  .strictObject({
    success: Success,
    keys: z.array(
      z.strictObject({
        id: Count,
        organizationId: Owner,
        name: z.string(),
        createdAt: Time,
        lastUsedAt: Time.nullable(),
        revokedAt: Time.nullable(),
      }),
    ),
  })
  .meta({ id: 'KeyList' });

export const KeyParams = z.object({ id: wholeNumber(1, 2_147_483_647, 'The number of the key') });
export const KeyRevoked = z
  .strictObject({ success: Success, id: Count, message: z.string() })
  .meta({ id: 'KeyRevoked' });
