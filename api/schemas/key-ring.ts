import { z } from 'zod';
import { Count, Success, Time } from './common.ts';

const KeyId = z.string().meta({ description: "The key's id in the ring; the key itself is never shown" });

export const KeyReport = z
  .strictObject({
    keyId: KeyId,
    use: z.enum(['seals', 'opens', 'missing']).meta({
      description: 'The newest key seals; the others of the ring open what they have sealed; a missing one is needed',
    }),
    credentials: Count.meta({ description: 'Credentials in the store that are sealed under it' }),
    schedules: Count.meta({
      description: 'Schedules whose arguments are sealed under it, or whose last run may have been',
    }),
    runningWorkflows: Count.nullable().meta({
      description: 'Running workflows whose payloads it may have sealed; null where it is not known to be retired',
    }),
    endedWorkflows: Count.nullable().meta({
      description: 'The same, ended: Temporal keeps their histories until retention has passed',
    }),
    retiredAt: Time.nullable().meta({ description: 'Since when it seals no more, as the last rotation found it' }),
    mayBeDropped: z.boolean().meta({ description: 'Nothing needs it, not even to be shown' }),
    advice: z.string(),
  })
  .meta({ id: 'KeyReport' });

const ring = {
  success: Success,
  currentKeyId: KeyId,
  source: z.enum(['environment', 'file']).meta({ description: 'What decides which key seals' }),
  keys: z.array(KeyReport),
};

export const KeyRingState = z.strictObject(ring).meta({ id: 'KeyRingState' });

export const RotateQuery = z.object({
  newKey: z.enum(['true', 'false'], 'must be true or false').optional().meta({
    description: 'Whether a new key is made first, in front of the key file. Default: where the file decides',
  }),
});

export const KeysRotated = z
  .strictObject({
    ...ring,
    newKey: z.boolean().meta({ description: 'Whether a key was made' }),
    resealed: Count.meta({ description: 'Credentials that were sealed anew' }),
    message: z.string(),
  })
  .meta({ id: 'KeysRotated' });
