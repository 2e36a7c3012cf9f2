import { errorOf, innerAnswers, type InnerAnswer } from './batch.ts';
import type { GraphClient } from './client.ts';
import { exchangeError, GraphError } from './errors.ts';
import { LinkGuard } from './links.ts';
import { collectionOf, type Collection } from './pages.ts';
import { segment } from './paths.ts';
import { workOff } from './waiting.ts';

/** Mailboxes in one probe: what Graph takes in one batch. https://learn.microsoft.com/graph/json-batching */
export const MOST_PROBED = 20;
/** Folders a page, so that the tree of a usual mailbox is one page. */
const PREFER = 'odata.maxpagesize=250';
/** Walks of whole trees at a time. */
const WALKS = 4;
/** How often those are asked again that Graph refused because it throttles the app. */
const MAX_RETRIES = 4;

/** A mailbox and where the delta of its folder tree stood; null: nowhere yet. */
export interface MailboxToProbe {
  readonly mailboxId: string;
  readonly link: string | null;
}

/** What became of a mailbox's folders since the link; their counters change with every message that comes or goes. */
export type TreeProbe =
  | {
      /** True also where there was no link, or Graph does not know it any more. */
      readonly changed: boolean;
      /** Where the next probe goes on. */
      readonly link: string;
    }
  | GraphError;

/**
 * Probes up to 20 mailboxes for changes with one batch: one request for each, by the delta of its folder tree. It
 * takes no slot of its mailbox's reader, for Graph allows one request more at a time than readers make. Only a tree that
 * is new to us, or changed on more than a page, costs more. A mailbox that cannot be probed has its error as its result.
 * https://learn.microsoft.com/graph/api/mailfolder-delta
 * @throws GraphError where the batch itself fails, or Graph throttles the app for long
 */
export async function probeTrees(
  client: GraphClient,
  mailboxes: readonly MailboxToProbe[],
  signal: AbortSignal,
): Promise<Map<string, TreeProbe>> {
  const probes = new Map<string, TreeProbe>();
  let left = mailboxes;
  for (let retry = 0; left.length > 0; retry += 1) {
    await probeOnce(client, left, probes, signal);
    const refused = left.filter(({ mailboxId }) => isAppThrottled(probes.get(mailboxId)));
    const [first] = refused;
    // The client sits the pause out before it asks again, or throws where it is a long one.
    if (first && retry === MAX_RETRIES) throw probes.get(first.mailboxId) as GraphError;
    left = refused;
  }
  return probes;
}

async function probeOnce(
  client: GraphClient,
  mailboxes: readonly MailboxToProbe[],
  probes: Map<string, TreeProbe>,
  signal: AbortSignal,
): Promise<void> {
  const requests = mailboxes.map(({ mailboxId, link }, index) => {
    const url = link === null ? undefined : usableUrl(client, link);
    return { mailboxId, isNew: url === undefined, id: String(index), url: url ?? treePath(mailboxId) };
  });
  const { content } = await client.send({
    kind: 'probe',
    target: 'mailbox',
    path: '/$batch',
    body: { requests: requests.map(({ id, url }) => ({ id, url, method: 'GET', headers: { Prefer: PREFER } })) },
    throttledBy: (answer) => longestOf([...innerAnswers(answer.content).values()]),
    signal,
  });
  const answers = innerAnswers(content);
  // Taken from its end, so that walks begin with the first.
  const queue = [...requests].reverse();
  await workOff(queue, WALKS, signal, async ({ mailboxId, isNew, id }, inner) => {
    probes.set(mailboxId, await understood(client, { mailboxId, isNew, answer: answers.get(id) }, inner));
  });
}

async function understood(
  client: GraphClient,
  { mailboxId, isNew, answer }: { mailboxId: string; isNew: boolean; answer: InnerAnswer | undefined },
  signal: AbortSignal,
): Promise<TreeProbe> {
  try {
    if (answer === undefined) throw exchangeError('Truncated', 'A batch came back without one of its answers');
    if (answer.status === 410 && !isNew) return await walk(client, { path: treePath(mailboxId) }, signal);
    if (answer.status !== 200) throw errorOf(answer, 'mailbox');
    const page = collectionOf({ status: answer.status, content: answer.body });
    const { next } = page;
    if (next === undefined) return { changed: isNew || page.value.length > 0, link: endOf(client, page) };
    const probe = await walk(client, { link: next }, signal);
    return { ...probe, changed: probe.changed || isNew || page.value.length > 0 };
  } catch (error) {
    if (!(error instanceof GraphError) || isAppWide(error)) throw error;
    return error;
  }
}

/** Follows the pages of a tree to their end. */
async function walk(
  client: GraphClient,
  start: { readonly path: string } | { readonly link: string },
  signal: AbortSignal,
): Promise<{ readonly changed: boolean; readonly link: string }> {
  const guard = new LinkGuard();
  let changed = 'path' in start;
  for (let where = start; ;) {
    const headers = { prefer: PREFER };
    const page = collectionOf(await client.send({ kind: 'probe', target: 'mailbox', headers, signal, ...where }));
    changed ||= page.value.length > 0;
    if (page.next === undefined) return { changed, link: endOf(client, page) };
    guard.pass(page.next);
    where = { link: page.next };
  }
}

function endOf(client: GraphClient, { deltaLink }: Collection): string {
  if (deltaLink !== undefined) return client.ownLink(deltaLink);
  throw exchangeError('Truncated', 'A page of a delta round names neither a next page nor the end');
}

const treePath = (mailboxId: string): string => `/users/${segment(mailboxId)}/mailFolders/delta`;

/** A link kept from the time when Graph had another URL is as good as none. */
function usableUrl(client: GraphClient, link: string): string | undefined {
  try {
    return client.batchUrl(link);
  } catch (error) {
    if (error instanceof GraphError) return undefined;
    throw error;
  }
}

function longestOf(answers: readonly InnerAnswer[]): GraphError | undefined {
  const errors = answers.filter(({ status }) => status === 429).map((answer) => errorOf(answer, 'mailbox'));
  return errors.filter(isAppThrottled).sort((a, b) => (b.retryAfterMs ?? 0) - (a.retryAfterMs ?? 0))[0];
}

const isAppThrottled = (probe: TreeProbe | undefined): boolean =>
  probe instanceof GraphError && probe.kind === 'throttled' && probe.scope === 'connection';

/** What concerns every mailbox, and was not told by this mailbox's part of a batch alone. */
const isAppWide = ({ kind }: GraphError): boolean => kind === 'credential_refused' || kind === 'permission_missing';
