import type { GraphError } from '../errors.ts';
import { segment } from '../paths.ts';
import { MAIL_ROLES } from '../token-roles.ts';
import { failed, PAGES, passed, skipped, traces, warning, type Judged } from './finding.ts';
import { grant, type MailSeen } from './permissions.ts';
import type { GraphProbe, GraphReply } from './probe.ts';
import { unreachable } from './reach.ts';

/** Users looked through for some that have a mailbox; mailboxes that are tried; how long trying goes on. */
const CANDIDATES = 25;
const TRIED = 5;
const PATIENCE_MS = 20_000;

const POLICY =
  'In Exchange, an application access policy (Get-ApplicationAccessPolicy) or RBAC for Applications ' +
  '(Get-ManagementRoleAssignment) names the mailboxes that the app may open: add these to its group or scope, or take ' +
  'the policy away. Test-ServicePrincipalAuthorization tells for a single mailbox. A change can take two hours to work.';

export interface Directory {
  readonly findings: readonly Judged[];
  /** Ids of users that probably have a mailbox. */
  readonly users: readonly string[];
  /** Whether Graph answered at all. */
  readonly isThere: boolean;
}

/** Reaches Graph and lists users. */
export async function examineUsers(graph: GraphProbe, roles: readonly string[] | undefined): Promise<Directory> {
  const reply = await graph.ask('/users', 'directory', { $select: 'id,mail,userType', $top: CANDIDATES });
  if ('content' in reply) {
    const users = entriesOf(reply).filter(({ mail, userType }) => typeof mail === 'string' && userType !== 'Guest');
    const findings = [answers(graph), passed('User.Read.All', 'The app may list the users of the tenant.')];
    return { findings, users: users.flatMap(({ id }) => (typeof id === 'string' ? id : [])), isThere: true };
  }
  const { error } = reply;
  if (error.retryable) {
    const tried = skipped('User.Read.All', `It cannot be tried while ${graph.host} gives no answer.`);
    return { findings: [unreachable('Microsoft Graph', graph.host, error), tried], users: [], isThere: false };
  }
  if (error.kind === 'credential_refused') {
    return { findings: [tokenRefused(error), skipped('User.Read.All', NO_TOKEN)], users: [], isThere: false };
  }
  return { findings: [answers(graph), usersDenied(error, roles)], users: [], isThere: true };
}

export const NO_TOKEN = 'There is no token to try it with.';

const answers = ({ host }: GraphProbe): Judged => passed('Microsoft Graph', `${host} answers.`);

const tokenRefused = (error: GraphError): Judged =>
  failed('Microsoft Graph', {
    meaning: 'Microsoft Graph refuses a token that Microsoft Entra has just issued.',
    advice:
      'Check that cloud and Graph URL belong together, and that no Conditional Access policy for workload identities ' +
      'stands against the app.',
    link: PAGES.conditionalAccess,
    ...traces(error),
  });

function usersDenied(error: GraphError, roles: readonly string[] | undefined): Judged {
  const isConsented = roles?.includes('User.Read.All');
  return failed('User.Read.All', {
    meaning: isConsented
      ? 'Microsoft Graph does not let the app list users, although its token names User.Read.All.'
      : 'The app may not list the users of the tenant.',
    advice: isConsented ? 'Consent was perhaps given just now: try again in some minutes.' : grant('User.Read.All'),
    link: PAGES.consent,
    ...traces(error),
  });
}

export interface MailExamination extends MailSeen {
  readonly findings: readonly Judged[];
}

interface Tried {
  readonly mailboxId: string;
  readonly error?: GraphError;
  readonly words: string;
}

/** Opens mailboxes, and in one of them folders and a message. */
export async function examineMail(
  graph: GraphProbe,
  {
    users,
    named,
    roles,
  }: { users: readonly string[]; named: string | undefined; roles: readonly string[] | undefined },
): Promise<MailExamination> {
  const tried = await tryMailboxes(graph, named === undefined ? users : [named]);
  const open = tried.find(({ error }) => error === undefined);
  const mailboxes = named === undefined ? judgeSample(graph, tried, roles) : judgeNamed(graph, tried, roles);
  if (!open) {
    const none = 'There is no open mailbox to try it with.';
    const findings = [mailboxes, skipped('folders', none), skipped('messages', none)];
    return { findings, opened: false, hasBody: undefined };
  }
  const folders = await tryFolders(graph, open.mailboxId);
  const message = await tryMessage(graph, open.mailboxId);
  return { findings: [mailboxes, folders, message.finding], opened: true, hasBody: message.hasBody };
}

async function tryMailboxes(graph: GraphProbe, candidates: readonly string[]): Promise<Tried[]> {
  const startedAt = performance.now();
  const tried: Tried[] = [];
  for (const mailboxId of candidates) {
    const telling = tried.filter(({ error }) => error?.kind !== 'mailbox_missing');
    if (telling.length === TRIED || performance.now() - startedAt > PATIENCE_MS) break;
    const reply = await graph.ask(`/users/${segment(mailboxId)}/mailFolders/inbox`, 'mailbox', { $select: 'id' });
    tried.push('content' in reply ? { mailboxId, words: '' } : { mailboxId, ...reply });
  }
  return tried;
}

const isPolicy = ({ words }: Tried): boolean => /\[RAOP\]|access ?policy|OData is disabled/i.test(words);

/** A mailbox that was named is one that the app is meant to read. */
function judgeNamed(graph: GraphProbe, [one]: readonly Tried[], roles: readonly string[] | undefined): Judged {
  if (!one?.error) return passed('mailboxes', 'The mailbox that you named opens.');
  const { error } = one;
  if (error.kind === 'mailbox_denied') {
    const isClosedByPolicy = isPolicy(one) || mayReadMail(roles);
    return failed('mailboxes', {
      meaning: `The mailbox that you named is closed to the app${isClosedByPolicy ? ' by a policy of the tenant' : ''}.`,
      advice: isClosedByPolicy ? POLICY : grant('Mail.Read'),
      link: isClosedByPolicy ? PAGES.rbac : PAGES.permissions,
      ...traces(error),
    });
  }
  if (error.kind === 'mailbox_missing' || error.kind === 'bad_request') {
    return failed('mailboxes', {
      meaning: 'The user that you named does not exist, or has no mailbox in Exchange Online.',
      advice: 'Check the address. A user without a licence, a guest and a mailbox on premises cannot be read.',
      ...traces(error),
    });
  }
  return unreachable('mailboxes', graph.host, error);
}

/** Of a sample: one closed mailbox may be meant so, and so may all; the latter is worth a look. */
function judgeSample(graph: GraphProbe, tried: readonly Tried[], roles: readonly string[] | undefined): Judged {
  const open = tried.filter(({ error }) => error === undefined).length;
  const closed = tried.filter(({ error }) => error?.kind === 'mailbox_denied');
  const [first] = closed;
  if (!first?.error) {
    if (open > 0) return passed('mailboxes', `Each of ${open} mailboxes that were tried opens.`);
    const trouble = tried.find(({ error }) => error?.retryable)?.error;
    if (trouble) return unreachable('mailboxes', graph.host, trouble);
    return skipped('mailboxes', 'No mailbox was found to try: name one that the app is meant to read.');
  }
  const trace = traces(first.error);
  const of = `${closed.length} of ${closed.length + open} mailboxes that were tried`;
  if (open > 0) {
    return warning('mailboxes', {
      meaning: `A policy of the tenant closes some mailboxes to the app: ${of}. Scans skip these and say so.`,
      advice: `If that is not meant: ${POLICY}`,
      link: PAGES.accessPolicy,
      ...trace,
    });
  }
  if (closed.some(isPolicy) || mayReadMail(roles)) {
    return warning('mailboxes', {
      meaning: `A policy of the tenant closes mailboxes to the app: all ${closed.length} that were tried.`,
      advice: `If the app is meant to read some only, name one of these to be tried. Otherwise: ${POLICY}`,
      link: PAGES.rbac,
      ...trace,
    });
  }
  return failed('mailboxes', {
    meaning: `All ${closed.length} mailboxes that were tried are closed to the app, for it has no permission for mail.`,
    advice:
      'See Mail.Read. If the app has its permission in Exchange (RBAC for Applications), name a mailbox to be tried.',
    link: PAGES.permissions,
    ...trace,
  });
}

const mayReadMail = (roles: readonly string[] | undefined): boolean =>
  roles?.some((role) => MAIL_ROLES.includes(role)) ?? false;

async function tryFolders(graph: GraphProbe, mailboxId: string): Promise<Judged> {
  const path = `/users/${segment(mailboxId)}/mailFolders`;
  const reply = await graph.ask(path, 'mailbox', { $select: 'id', $top: 50 });
  if ('content' in reply) return passed('folders', 'The folders of a mailbox can be listed.');
  return notRead('folders', 'The folders of a mailbox that opens cannot be listed.', graph, reply.error);
}

/** One message with its body, from the inbox or else from anywhere in the mailbox. */
async function tryMessage(
  graph: GraphProbe,
  mailboxId: string,
): Promise<{ finding: Judged; hasBody: boolean | undefined }> {
  const query = { $select: 'id,body,bodyPreview', $top: 1 };
  const user = `/users/${segment(mailboxId)}`;
  for (const path of [`${user}/mailFolders/inbox/messages`, `${user}/messages`]) {
    const reply = await graph.ask(path, 'folder', query);
    if (!('content' in reply)) {
      const isDenied = reply.error.status === 403;
      const words = 'A message of a mailbox that opens cannot be read with its body.';
      return { finding: notRead('messages', words, graph, reply.error), hasBody: isDenied ? false : undefined };
    }
    const [message] = entriesOf(reply);
    if (message) return judgeMessage(message);
  }
  const finding = skipped('messages', 'The mailbox that was tried holds no message: name one that does.');
  return { finding, hasBody: undefined };
}

function judgeMessage(message: Readonly<Record<string, unknown>>): { finding: Judged; hasBody: boolean } {
  if (typeof message['body'] === 'object' && message['body'] !== null) {
    return { finding: passed('messages', 'A message can be read with its body.'), hasBody: true };
  }
  const finding = failed('messages', {
    meaning: 'A message came without its body: the app may read messages only in part.',
    advice: 'See Mail.Read.',
    link: PAGES.permissions,
    code: 'BodyMissing',
  });
  return { finding, hasBody: false };
}

function notRead(name: string, meaning: string, graph: GraphProbe, error: GraphError): Judged {
  if (error.retryable) return unreachable(name, graph.host, error);
  return failed(name, { meaning, advice: 'See Mail.Read and mailboxes.', link: PAGES.permissions, ...traces(error) });
}

function entriesOf(reply: Extract<GraphReply, { content: unknown }>): Record<string, unknown>[] {
  const value: unknown = reply.content['value'];
  if (!Array.isArray(value)) return [];
  return (value as unknown[]).filter((entry) => typeof entry === 'object' && entry !== null) as Record<
    string,
    unknown
  >[];
}
