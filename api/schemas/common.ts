import { z } from 'zod';
import { ID_PATTERN, ID_RULE } from '../../model/ids.ts';

const id = (example: string, description: string) =>
  z.string().regex(ID_PATTERN, ID_RULE).meta({ description, example, maxLength: 100 });

export const OrganizationId = id('contoso', 'The customer whose tenant it is, chosen by whoever calls first');
export const ScanId = id('contoso-2026-11', 'Chosen by whoever starts the scan; unique in its organization');

/** A whole number as a query or path has it. */
export const wholeNumber = (min: number, max: number, description: string) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be between ${min} and ${max}`)
    .meta({ type: 'integer', minimum: min, maximum: max, pattern: undefined, description });

/** The same, taken for `fallback` where it is left out. */
export const wholeNumberOr = (fallback: number, min: number, max: number, description: string) =>
  wholeNumber(min, max, description).default(fallback).meta({ default: fallback });

/** Text that people and databases can keep: no control characters, no halves of surrogate pairs. */
export const text = (max: number) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(max, `must have at most ${max} characters`)
    .refine((value) => !/\p{Cc}|\p{Cs}/u.test(value), 'must not contain control characters');

export const Time = z.iso.datetime().meta({ description: 'ISO 8601, UTC', example: '2026-11-21T09:00:00.000Z' });

/** A time as a request gives it; becomes ISO 8601 in UTC. */
export const When = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error: 'must be an ISO 8601 time, such as 2026-01-31T00:00:00Z, or a date',
  })
  .transform((value) => new Date(value).toISOString())
  .meta({ type: 'string', anyOf: undefined, example: '2026-01-01T00:00:00Z' });

export const Count = z.int().min(0);
export const Success = z.literal(true);

/** Where the next page of a list begins, as a query has it. */
export const Cursor = z
  .string()
  .min(1, 'must not be empty')
  .max(100, 'must have at most 100 characters')
  .optional()
  .meta({ description: 'The `nextCursor` of the answer before' });

export const ScanParams = z.object({ scanId: ScanId });
export const OrganizationQuery = z.object({
  organizationId: OrganizationId.optional().meta({
    description: "An administrator's choice of organization; may be left out where there is no doubt",
  }),
});

/** Every answer that is not a success has this form. */
export const ErrorAnswer = z
  .strictObject({
    success: z.literal(false),
    error: z.string().meta({ example: 'Bad Request' }),
    message: z.string().meta({ example: 'config.scanId: must be 1 to 100 letters, digits, ".", "_" or "-"' }),
    details: z
      .array(
        z.strictObject({
          path: z.string().meta({ description: 'The field at fault', example: 'config.scanId' }),
          message: z.string().meta({ example: 'must be 1 to 100 letters, digits, ".", "_" or "-"' }),
        }),
      )
      .optional(),
    requestId: z.string().meta({ description: 'Also in the header `X-Request-Id` and in the log', example: 'a1b2c3' }),
    scanId: z.string().optional(),
    reason: z
      .string()
      .optional()
      .meta({ description: 'What Microsoft Entra or Graph said, in words an administrator can act on' }),
  })
  .meta({ id: 'Error' });
