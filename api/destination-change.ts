import { randomBytes } from 'node:crypto';
import { withDefaults, type DestinationSecret, type KindSettings } from '../model/destination.ts';
import { SealError } from '../model/sealing.ts';
import type { Database } from '../store/database.ts';
import { loadDestination, type Destination } from '../store/destinations.ts';
import { isElsewhere } from './destination-address.ts';
import { badRequest } from './errors.ts';
import { checkPart } from './route.ts';
import { secretChange, type SecretChange } from './schemas/destination-secrets.ts';
import { settingsChange } from './schemas/destination-settings.ts';

/** A secret, and the signing key in it where it was made just now. */
export interface CompletedSecret {
  readonly secret: DestinationSecret;
  readonly madeKey?: string;
}

/** Has a signing key made for what is signed, where there is none. */
export function completeSecret(kind: KindSettings['kind'], secret: DestinationSecret): CompletedSecret {
  const isSigned = kind === 'utility' || kind === 'batch';
  if (!isSigned || secret.signingKey !== undefined) return { secret };
  const madeKey = `whsec_${randomBytes(32).toString('base64')}`;
  return { secret: { ...secret, signingKey: madeKey }, madeKey };
}

/**
 * The settings of a destination after a change.
 * @throws {HttpError} 400 naming every setting at fault
 */
export function changedSettings({ kind, settings }: Destination, change: unknown): KindSettings {
  const given = checkPart(settingsChange(kind), change, 'settings');
  const kept = Object.entries({ ...settings, ...given }).filter(([, value]) => value !== null && value !== undefined);
  return { kind, settings: withDefaults(kind, Object.fromEntries(kept) as never) } as KindSettings;
}

/** The part of a secret that is sent along, by which whoever gets it could be taken for the destination's owner. */
const SENT = { redis_list: 'password', folder: undefined, utility: 'token', batch: 'token' } as const;

/**
 * Refuses to have a secret that is stored sent to another server than the one that it was given for: whoever may change
 * a destination need not know it.
 * @param given what the change says of the secret
 * @throws {HttpError} 400
 */
export async function refuseToCarry(
  db: Database,
  before: Destination,
  after: KindSettings,
  given: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const part = SENT[before.kind];
  if (part === undefined || given[part] !== undefined || !isElsewhere(after, before)) return;
  const stored = await storedSecret(db, before.id);
  // What the key ring here does not open may be opened by those who send.
  if (stored ? stored[part] === undefined : !before.hasSecret) return;
  const message = `give the ${part} again, or null for none: the one that is stored is not sent to another place`;
  throw badRequest([{ path: `secret.${part}`, message }]);
}

/**
 * The secret of a destination after a change. One that the key ring does not open any more counts as none.
 * @throws {HttpError} 400 naming every part at fault
 */
export async function changedSecret(
  db: Database,
  { id, kind }: Destination,
  change: unknown,
): Promise<CompletedSecret> {
  const given: SecretChange = checkPart(secretChange(kind), change, 'secret');
  const kept = Object.entries({ ...(await storedSecret(db, id)), ...given }).filter(([, value]) => value != null);
  return completeSecret(kind, Object.fromEntries(kept));
}

/** A destination's secret as it is stored; undefined where the key ring does not open it. */
export async function storedSecret(db: Database, id: string): Promise<DestinationSecret | undefined> {
  try {
    return (await loadDestination(db, id))?.secret;
  } catch (error) {
    if (error instanceof SealError) return undefined;
    throw error;
  }
}
