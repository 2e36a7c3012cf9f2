import { createHash, createHmac } from 'node:crypto';

/** Bytes of a session's client state key. */
export const CLIENT_STATE_KEY_BYTES = 32;

/**
 * What Graph has to say with each notification of a mailbox's subscription: another for each mailbox, told by nobody who
 * has not the session's key, and made again from it whenever it is needed. 43 characters; Graph allows 128.
 */
export const clientStateOf = (key: Uint8Array, mailboxId: string): string =>
  createHmac('sha256', key).update(mailboxId).digest('base64url');

/** What is kept of a client state, to compare those of notifications with. SHA-256, 32 bytes. */
export const clientStateHash = (clientState: string): Buffer => createHash('sha256').update(clientState).digest();
