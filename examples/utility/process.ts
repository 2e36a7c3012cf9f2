import type { Email } from './email.ts';

/**
 * What is answered: `success`, or `error` where this message cannot be worked on, now or later. Both mean that it was
 * taken, and will not come again by itself.
 */
export type Result =
  | { readonly status: 'success'; readonly result?: unknown }
  | { readonly status: 'error'; readonly error_type: string; readonly message: string };

/** Something that is needed is away: the message is to be sent again later. So it is after any other error, too. */
export class TryAgain extends Error {
  override readonly name = 'TryAgain';
}

/**
 * Your work on a message. Many run at once, so wait by `await` only.
 * @param signal aborts when the time for it is over; hand it to whatever you wait for
 * @throws {TryAgain}
 */
export async function processEmail(email: Email, _signal: AbortSignal): Promise<Result> {
  const attachments = email.attachments.map(({ name, content_bytes: content }) => ({
    name,
    bytes: Buffer.byteLength(content, 'base64'),
  }));
  return { status: 'success', result: { message_id: email.message_id, attachments } };
}
