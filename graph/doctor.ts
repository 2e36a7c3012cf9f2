import type { CheckReport } from '../model/connection-check.ts';
import type { Connection } from '../model/connection.ts';
import { endpointsOf } from './clouds.ts';
import { expiryFinding, secretEnd } from './doctor/credential.ts';
import { reportOf, skipped, type Judged } from './doctor/finding.ts';
import { examineMail, examineUsers, NO_TOKEN } from './doctor/mail.ts';
import { mailPermission, settingsPermission, surplusPermissions } from './doctor/permissions.ts';
import { GraphProbe, Probe } from './doctor/probe.ts';
import { examineSignIn } from './doctor/sign-in.ts';
import type { GraphOptions } from './options.ts';
import { rolesOf } from './token-roles.ts';

export interface ExaminationRequest {
  /** Address or id of a mailbox that the app is meant to read. Default: some of the tenant's. */
  readonly mailbox?: string | undefined;
  /** When the client secret ends, as someone told it. */
  readonly secretExpiresAt?: string | null;
}

/**
 * Tries everything that a scan needs of a connection, one after the other, and says in plain words what is missing and
 * what an administrator has to click. Nothing is changed; a few users and one message are looked at and not kept.
 * @throws the signal's reason when it aborts; TypeError for an unusable URL in the options
 */
export async function examine(
  connection: Connection,
  options: Pick<GraphOptions, 'graphUrl' | 'authorityUrl' | 'requestTimeoutMs'>,
  { mailbox, secretExpiresAt = null }: ExaminationRequest,
  signal: AbortSignal,
): Promise<CheckReport> {
  const endpoints = endpointsOf(connection.cloud, options.graphUrl, options.authorityUrl);
  const probe = new Probe(options.requestTimeoutMs ?? 30_000, signal);
  try {
    const { findings, token } = await examineSignIn(connection, endpoints, probe);
    if (token === undefined) return reportOf([expiryFinding(connection, secretExpiresAt), ...findings, ...untried()]);
    const graph = new GraphProbe(probe, endpoints, token);
    const tried = await examineGraph(graph, connection, mailbox, rolesOf(token));
    const expiresAt = tried.expiresAt ?? secretExpiresAt;
    const all = [expiryFinding(connection, expiresAt), ...findings, ...tried.findings];
    return reportOf(all, tried.expiresAt);
  } finally {
    await probe.close();
  }
}

async function examineGraph(
  graph: GraphProbe,
  connection: Connection,
  named: string | undefined,
  roles: readonly string[] | undefined,
): Promise<{ findings: readonly Judged[]; expiresAt?: string | undefined }> {
  const directory = await examineUsers(graph, roles);
  if (!directory.isThere) {
    const rest = AFTER_USERS.map((name) => skipped(name, 'It cannot be tried without Microsoft Graph.'));
    return { findings: [...directory.findings, ...rest, surplusPermissions(roles)] };
  }
  const mail = await examineMail(graph, { users: directory.users, named, roles });
  const permissions = [mailPermission(roles, mail), ...mail.findings, settingsPermission(roles)];
  const expiresAt = await secretEnd(graph, connection, roles);
  return { findings: [...directory.findings, ...permissions, surplusPermissions(roles)], expiresAt };
}

const AFTER_USERS = ['Mail.Read', 'mailboxes', 'folders', 'messages', 'MailboxSettings.Read'];

const untried = (): Judged[] =>
  ['Microsoft Graph', 'User.Read.All', ...AFTER_USERS].map((name) => skipped(name, NO_TOKEN));
