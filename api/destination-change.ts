import { randomBytes } from 'node:crypto';
import { withDefaults, type DestinationSecret, type KindSettings } from '../model/destination.ts';
import { SealError } from '../model/sealing.ts';
import type { Database } from '../store/database.ts';
import { loadDestination, type Destination } from '../store/destinations.ts';
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
  const kept = Object.entries({ ...(await secretOf(db, id)), ...given }).filter(([, value]) => value != null);
  return completeSecret(kind, Object.fromEntries(kept));
}

async function secretOf(db: Database, id: string): Promise<DestinationSecret> {
  try {
    return (await loadDestination(db, id))?.secret ?? {};
  } catch (error) {
    if (error instanceof SealError) return {};
    throw error;
  }
}
