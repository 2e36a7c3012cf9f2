import { z } from 'zod';
import { isSigningKey } from '../../destinations/signature.ts';
import type { DestinationKind, DestinationSecret } from '../../model/destination.ts';

const Token = z
  .string()
  .min(1, 'must not be empty')
  .max(4_096, 'must have at most 4096 characters')
  .regex(/^[\x21-\x7e]*$/, 'must be printable ASCII without spaces')
  .meta({ description: 'Sent as `Authorization: Bearer`', example: 'your-token-here' });

const SigningKey = z
  .string()
  .max(200, 'must have at most 200 characters')
  .refine(isSigningKey, 'must be "whsec_" and 24 to 64 bytes in base64: leave it out to have one made')
  .meta({ description: 'Signs each request; one is made where none is given, and shown that once' });

const Password = z
  .string()
  .min(1, 'must not be empty')
  .max(1_024, 'must have at most 1024 characters')
  .meta({ description: 'Of the Redis server' });

const PARTS: Readonly<Record<DestinationKind, Readonly<Record<string, z.ZodType>>>> = {
  redis_list: { password: Password.optional() },
  folder: {},
  utility: { token: Token.optional(), signingKey: SigningKey.optional() },
  batch: { token: Token.optional(), signingKey: SigningKey.optional() },
};

/** The secret of a new destination. */
export const givenSecret = (kind: DestinationKind): z.ZodType<DestinationSecret> =>
  z.strictObject(PARTS[kind]).meta({ description: 'Kept sealed, and never shown' });

/** Parts of a secret to change: what is left out stays, null takes it away; a signing key is made anew then. */
export type SecretChange = { readonly [Part in keyof DestinationSecret]?: string | null };
export const secretChange = (kind: DestinationKind): z.ZodType<SecretChange> =>
  z.strictObject(Object.fromEntries(Object.entries(PARTS[kind]).map(([name, part]) => [name, part.nullable()])));
