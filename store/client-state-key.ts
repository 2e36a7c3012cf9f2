import { randomBytes } from 'node:crypto';
import { CLIENT_STATE_KEY_BYTES } from '../model/client-state.ts';
import type { Sealer } from '../model/sealing.ts';

/** Of which session the key is. */
export interface ClientStateKeyOwner {
  readonly organizationId: string;
  readonly sessionId: string;
}

/** Makes the key that the client states of a session's subscriptions follow from; sealed for the session's row. */
export const newClientStateKey = (sealer: Sealer, owner: ClientStateKeyOwner): Buffer =>
  sealer.seal(randomBytes(CLIENT_STATE_KEY_BYTES), clientStateContext(owner));

/** @throws {SealError} when the key ring does not open it */
export const openClientStateKey = (sealer: Sealer, sealed: Uint8Array, owner: ClientStateKeyOwner): Buffer =>
  sealer.open(sealed, clientStateContext(owner));

/** A key sealed for one session opens as no other's. */
export const clientStateContext = ({ organizationId, sessionId }: ClientStateKeyOwner): string =>
  `session/${organizationId}/${sessionId}`;
