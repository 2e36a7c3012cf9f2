import { sendBatch, stretches, type InnerAnswer } from './batch.ts';
import { exchangeError, GraphError } from './errors.ts';
import type { MailboxClient } from './mailbox.ts';
import { receivedWithin, type ReceivedWindow } from './messages.ts';
import { segment, withQuery } from './paths.ts';

/** How many messages a folder holds, those received within the window; other items are not counted. */
export async function countMessages(
  mailbox: MailboxClient,
  folderId: string,
  window: ReceivedWindow,
  signal: AbortSignal,
): Promise<number> {
  const path = countPath(folderId, window);
  const { content } = await mailbox.send({ kind: 'count', target: 'folder', expects: 'text', path, signal });
  const count = numberIn(String(content));
  if (count === undefined) throw exchangeError('Truncated', 'The count of a folder is no number');
  return count;
}

/**
 * The same for many folders, in batches. A folder that is not there any more is absent; what a batch cannot tell is asked
 * for singly.
 */
export async function countFolders(
  mailbox: MailboxClient,
  folderIds: readonly string[],
  window: ReceivedWindow,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const some of stretches(mailbox, folderIds)) {
    const requests = some.map((folderId) => ({ path: countPath(folderId, window) }));
    const answers = some.length > 1 ? await sendBatch(mailbox, requests, 'folder', signal) : [];
    for (const [index, folderId] of some.entries()) {
      const count = countIn(answers[index]) ?? (await countOrMissing(mailbox, folderId, window, signal));
      if (count !== undefined) counts.set(folderId, count);
    }
  }
  return counts;
}

const countPath = (folderId: string, window: ReceivedWindow): string =>
  withQuery(`/mailFolders/${segment(folderId)}/messages/$count`, { $filter: receivedWithin(window) });

async function countOrMissing(
  mailbox: MailboxClient,
  folderId: string,
  window: ReceivedWindow,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    return await countMessages(mailbox, folderId, window, signal);
  } catch (error) {
    if (error instanceof GraphError && error.kind === 'folder_missing') return undefined;
    throw error;
  }
}

/**
 * The count within a batch. Bodies that are no JSON come as base64 there, but a number is JSON as well, so both are
 * understood; four digits that could be either are taken for digits.
 * https://learn.microsoft.com/graph/json-batching
 */
function countIn(answer: InnerAnswer | undefined): number | undefined {
  if (answer?.status !== 200) return undefined;
  const { body } = answer;
  if (typeof body === 'number') return numberIn(String(body));
  if (typeof body !== 'string') return undefined;
  return numberIn(body) ?? numberIn(Buffer.from(body, 'base64').toString('utf8'));
}

/** The text may begin with a byte order mark. */
function numberIn(text: string): number | undefined {
  const digits = text.replace(/^\uFEFF/, '').trim();
  const count = Number(digits);
  return digits !== '' && Number.isSafeInteger(count) ? count : undefined;
}
