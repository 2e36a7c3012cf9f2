import type { DestinationSecret } from '../model/destination.ts';
import type { Sealer } from '../model/sealing.ts';

/** Of which destination a secret is. */
export interface SecretOwner {
  readonly organizationId: string;
  readonly id: string;
}

export const sealSecret = (sealer: Sealer, { organizationId, id }: SecretOwner, secret: DestinationSecret): Buffer =>
  sealer.seal(Buffer.from(JSON.stringify(secret)), secretContext(organizationId, id));

/** @throws {SealError} when the key ring does not open it */
export const openSecret = (
  sealer: Sealer,
  { organizationId, id }: SecretOwner,
  sealed: Uint8Array,
): DestinationSecret =>
  JSON.parse(sealer.open(sealed, secretContext(organizationId, id)).toString()) as DestinationSecret;

/** A secret sealed for one destination opens as no other's. */
export const secretContext = (organizationId: string, destinationId: string): string =>
  `destination/${organizationId}/${destinationId}`;
