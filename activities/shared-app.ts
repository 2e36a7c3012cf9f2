import type { Finding } from '../model/connection-check.ts';

/**
 * What a check says of a connection that shares its app registration. Nothing is wrong with the connection, so the outcome
 * of the check stays what it is. Who the others are is for the log alone.
 */
export const SHARED_APP: Finding = {
  name: 'app registration',
  status: 'warning',
  meaning:
    'Another organization of this installation reads the same tenant with the same app registration. Each has readers of ' +
    'its own, so together they may make more than the four requests at a time that Graph allows an app for a mailbox; ' +
    'Graph refuses the rest, they are tried again, and both are slower for it.',
  advice: 'Give each organization an app registration of its own.',
};

/** Warns of organizations that share the app registration of a connection that has just become active; none is no matter. */
export function warnOfSharing(
  log: { warn(fields: object, message: string): void },
  organizationId: string,
  sharedWith: readonly string[],
): void {
  if (sharedWith.length === 0) return;
  log.warn({ organizationId, sharedWith }, `${SHARED_APP.meaning} ${SHARED_APP.advice}`);
}
