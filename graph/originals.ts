import type { Readable } from 'node:stream';
import type { MailboxClient } from './mailbox.ts';
import { IMMUTABLE_IDS } from './messages.ts';
import { segment } from './paths.ts';

/**
 * A message as it was sent, RFC 5322, of any size; of a draft as it would be. The request goes on while `take` takes the
 * bytes; it is called again where they break off and Graph is asked once more.
 * https://learn.microsoft.com/graph/outlook-get-mime-message
 * @throws GraphError `item_missing`; what `take` throws
 */
export async function readOriginal<T>(
  mailbox: MailboxClient,
  messageId: string,
  take: (bytes: Readable) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { content } = await mailbox.send({
    kind: 'original',
    target: 'message',
    path: `/messages/${segment(messageId)}/$value`,
    headers: { prefer: IMMUTABLE_IDS },
    receive: take,
    signal,
  });
  return content as T;
}
