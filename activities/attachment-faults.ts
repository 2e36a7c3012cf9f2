import { GraphError, type GraphErrorKind } from '../graph/errors.ts';
import { answersFor, type MailboxReader } from './reading-by-id.ts';

/** What is wrong with one message or attachment: it cannot be read; or not now. */
export type Fault = 'unreadable' | 'later';

/** Kinds that say for good that this one cannot be read. */
const ITS_OWN: ReadonlySet<GraphErrorKind> = new Set([
  'item_missing',
  'folder_missing',
  'poison',
  'bad_request',
  'body_too_large',
  'sync_state_lost',
  'quota_exceeded',
]);
/** Kinds that may pass, and concern this one as long as others can be read. */
const MAY_PASS: ReadonlySet<GraphErrorKind> = new Set(['server_error', 'too_slow']);
/** Kinds that concern the mailbox, unless it answers: some items are closed for themselves. */
const OF_MAILBOX: ReadonlySet<GraphErrorKind> = new Set(['mailbox_denied', 'mailbox_missing']);

/**
 * What an error means to the one message or attachment that was asked for. What may pass is tried by the slice's later
 * attempts, until one would be the last.
 * @throws the error, where it concerns the mailbox, the connection, or us
 */
export async function faultOf(
  error: unknown,
  reader: Pick<MailboxReader, 'mailbox' | 'signal'>,
  givesUp: (error: GraphError) => boolean,
): Promise<{ readonly fault: Fault; readonly error: GraphError }> {
  if (!(error instanceof GraphError)) throw error;
  const { kind } = error;
  if (ITS_OWN.has(kind)) return { fault: 'unreadable', error };
  if (MAY_PASS.has(kind)) return { fault: givesUp(error) ? 'unreadable' : 'later', error };
  if (OF_MAILBOX.has(kind) && (await answersFor(reader, { id: 'inbox' }))) return { fault: 'unreadable', error };
  throw error;
}
