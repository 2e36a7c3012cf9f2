import type { GraphClient } from './client.ts';
import { GraphError } from './errors.ts';
import { openMailbox } from './mailbox.ts';
import { collectionOf, text } from './pages.ts';
import { withQuery } from './paths.ts';
import { MAIL_ROLES, rolesOf } from './token-roles.ts';

/** How far the app can read mail, as far as a few tries tell. */
export interface CredentialCheck {
  /** `denied`: the mailboxes tried are closed to the app, which a policy may intend. `unknown`: none could be tried. */
  readonly mail: 'readable' | 'denied' | 'unknown';
  /** What to look at where mail is denied; for an administrator. */
  readonly reason?: string;
}

/** Users looked through for some that have a mailbox, and mailboxes that must be closed before the matter is clear. */
const CANDIDATES = 25;
const DENIED_PROBES = 3;

const GRANT_MAIL_READ =
  'The app registration may not read mail. In the Microsoft Entra admin center open App registrations, the app, API ' +
  'permissions; add the permission Microsoft Graph, Application permissions, Mail.Read; then choose "Grant admin ' +
  'consent". If the app is meant to read some mailboxes only, through RBAC for Applications in Exchange, name them in ' +
  'the mailboxes to include.';

const CLOSED_BY_POLICY =
  'The mailboxes that were tried are closed to the app, probably by an application access policy or RBAC for ' +
  'Applications in Exchange. Others may be open.';

/**
 * Tries a connection: a token first (a wrong secret shows), then a page of users (a missing User.Read.All shows), then
 * mailboxes until one can be read or three are closed.
 *
 * A closed mailbox alone proves nothing: Exchange can restrict an app to some mailboxes, and answers 403
 * `ErrorAccessDenied` for the others as for a missing Mail.Read. So the check fails only when every mailbox tried is
 * closed and the token names no role for mail, which it does when an administrator consented to one. An app that has
 * its role from Exchange and not from Entra looks the same; such a scan names its mailboxes, and those are tried.
 */
export async function checkCredential(
  client: GraphClient,
  signal: AbortSignal,
  sample?: readonly string[],
): Promise<CredentialCheck> {
  const path = withQuery('/users', { $select: 'id,mail,userType', $top: CANDIDATES });
  const { value } = collectionOf(await client.send({ kind: 'users', target: 'directory', signal, path }));
  const listed = value.filter((user) => text(user['mail']) !== null && user['userType'] !== 'Guest');
  const candidates = sample ?? listed.flatMap((user) => text(user['id']) ?? []);
  let denied = 0;
  for (const candidate of candidates.slice(0, CANDIDATES)) {
    const outcome = await probe(client, candidate, signal);
    if (outcome === 'readable') return { mail: 'readable' };
    if (outcome === 'unavailable') return { mail: 'unknown' };
    if (outcome === 'denied') denied += 1;
    if (denied === DENIED_PROBES) break;
  }
  if (denied === 0) return { mail: 'unknown' };
  const roles = rolesOf(await client.token(signal));
  if (roles === undefined || roles.some((role) => MAIL_ROLES.includes(role))) {
    return { mail: 'denied', reason: CLOSED_BY_POLICY };
  }
  throw new GraphError('The app may not read mail (403 ErrorAccessDenied)', {
    kind: 'permission_missing',
    code: 'ErrorAccessDenied',
    status: 403,
    reason: GRANT_MAIL_READ,
  });
}

type Outcome = 'readable' | 'denied' | 'none' | 'unavailable';

async function probe(client: GraphClient, mailboxId: string, signal: AbortSignal): Promise<Outcome> {
  try {
    await openMailbox(client, mailboxId).folder('inbox', signal);
    return 'readable';
  } catch (error) {
    if (!(error instanceof GraphError) || error.kind === 'credential_refused') throw error;
    // A mailbox that is being moved says so; a 503 without a word is Graph's own.
    const isMailboxs = error.kind === 'mailbox_busy' && !error.code.startsWith('HTTP');
    if (error.retryable && !isMailboxs) return 'unavailable';
    return error.kind === 'mailbox_denied' ? 'denied' : 'none';
  }
}
