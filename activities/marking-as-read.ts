import type { FoundMessage } from '../graph/batch.ts';
import { GraphError } from '../graph/errors.ts';
import type { GraphMessage } from '../model/mail.ts';
import { countMarked, refuseMarking } from '../store/live-work.ts';
import { lookUpNamed } from '../store/named-messages.ts';
import type { LiveReading } from './live-reading.ts';
import { storeMessages } from './storing.ts';

/** Messages marked between two writes. */
const STRETCH = 30;

/**
 * Marks what was stored as read, at Graph and in the store. Whatever stands against it costs no message: where Graph
 * refuses, the session is told once and tries it no more; what fails otherwise stays unread.
 * @param forMs how long; what is left then is for the next time
 */
export async function markAsRead(live: LiveReading, forMs: number): Promise<void> {
  const { context, session, toMark } = live;
  const { db, mailbox, signal } = context;
  const endsAt = performance.now() + forMs;
  while (toMark.size > 0 && performance.now() < endsAt) {
    const ids = [...toMark].slice(0, STRETCH);
    for (const id of ids) toMark.delete(id);
    const answers = await attempt(() => mailbox.markRead(ids, signal));
    const refusal = [...answers.values()].find(isRefusal);
    const marked = [...answers.values()].filter(isMessage);
    await storeMarked(live, marked);
    await countMarked(db, session.sessionNo, marked.length);
    if (refusal) {
      await refuseMarking(db, session.sessionNo, wordsOf(refusal));
      toMark.clear();
    }
  }
}

async function attempt(ask: () => Promise<Map<string, FoundMessage>>): Promise<Map<string, FoundMessage>> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof GraphError) return new Map([['', error]]);
    throw error;
  }
}

const isMessage = (answer: FoundMessage): answer is GraphMessage =>
  answer !== 'missing' && !(answer instanceof GraphError);

const isRefusal = (answer: FoundMessage): answer is GraphError => answer instanceof GraphError && answer.status === 403;

const wordsOf = ({ code }: GraphError): string =>
  `Microsoft Graph does not let the app mark messages as read (403 ${code}). Grant the application permission ` +
  'Mail.ReadWrite, then start the session again.';

/** Merges what Graph says of the messages now into their rows: that they are read, and in which version. */
async function storeMarked({ context }: LiveReading, marked: readonly GraphMessage[]): Promise<void> {
  const { db, organization, mailbox, scanNos } = context;
  const folderIds = [...new Set(marked.flatMap(({ parentFolderId: id }) => (typeof id === 'string' ? id : [])))];
  if (folderIds.length === 0) return;
  const { folders } = await lookUpNamed(db, organization, { mailboxId: mailbox.id, ids: [], folderIds });
  for (const folder of [...folders.values()].filter(({ read }) => read)) {
    const messages = marked.filter(({ parentFolderId }) => parentFolderId === folder.id).map(versionOf);
    await storeMessages(context, { folder, scanNos, messages, removed: [], suspicious: true });
  }
}

const VERSION = ['id', '@odata.etag', 'changeKey', 'isRead', 'parentFolderId', 'lastModifiedDateTime'] as const;

const versionOf = (message: GraphMessage): GraphMessage =>
  Object.fromEntries(
    VERSION.flatMap((member) => (member in message ? [[member, message[member]]] : [])),
  ) as GraphMessage;
