import { Readable } from 'node:stream';
import type { DeliveredMessage } from '../../../model/delivered-message.ts';
import type { Item, ItemAttachment, Outcome } from '../../../destinations/sender.ts';

/** The message of the utilities' document. */
export function message(
  over: Partial<DeliveredMessage['email']> = {},
  rest: Partial<DeliveredMessage> = {},
): DeliveredMessage {
  return {
    email: {
      id: 'AAMkADUwZTYy-message',
      internet_message_id: '<CAKmF+OoVxN7Bw@mail.gmail.com>',
      conversation_id: 'AAQkAGU3ZjQw',
      conversation_index: 'AdqlC1mQiNxVz5Kj5UKVqRLbGw==',
      subject: 'Invoice ID_12345 - Payment Required',
      body_preview: 'Dear Team, Please find attached',
      body_content: '<html><body><p>Dear Team,</p></body></html>',
      body_content_type: 'html',
      sender_address: 'robot@example.com',
      sender_name: 'Robot',
      from_address: 'vendor@example.com',
      from_name: 'Vendor Name',
      to_recipients: [{ address: 'it.ops@example.org', name: 'IT Operations' }],
      cc_recipients: [{ address: 'finance@example.org', name: null }],
      bcc_recipients: null,
      received_date_time: '2025-12-23T09:45:12Z',
      sent_date_time: '2025-12-23T09:44:58.5Z',
      has_attachments: true,
      ...over,
    },
    attachments: [],
    mailbox: 'it.ops@example.org',
    folder: 'Inbox',
    direction: 'received',
    ...rest,
  };
}

/** An attachment of these bytes, `size` being more, as Graph has it. */
export function attachment(content: Buffer | string, over: Partial<ItemAttachment['metadata']> = {}): ItemAttachment {
  const bytes = Buffer.from(content);
  return {
    metadata: {
      id: 'attachment-1',
      name: 'INVOICE_ID_12345.pdf',
      size: bytes.length + 120,
      contentType: 'application/pdf',
      isInline: false,
      ...over,
    },
    bytes: bytes.length,
    open: async () => Readable.from([bytes.subarray(0, 100), bytes.subarray(100)], { objectMode: false }),
  };
}

/** A large attachment that is nowhere whole: one chunk again and again. */
export function largeAttachment(bytes: number): ItemAttachment {
  const chunk = Buffer.alloc(64 * 1024, 'outhaul ');
  return {
    ...attachment('', { name: 'large.bin', size: bytes }),
    bytes,
    open: async () =>
      Readable.from(
        (function* () {
          for (let left = bytes; left > 0; left -= chunk.length) yield chunk.subarray(0, left);
        })(),
        { objectMode: false },
      ),
  };
}

/** An attachment whose content the store has lost. */
export const lostAttachment = (): ItemAttachment => ({
  ...attachment('lost'),
  open: () => Promise.reject(new Error('ENOENT: no such blob /var/blobs/ab/cd')),
});

export function item(no: number, over: Partial<Omit<Item, 'deliveryNo'>> = {}): Item {
  return {
    deliveryNo: no,
    idempotencyKey: `organization-1.destination-1.${no}`,
    message: message(),
    attachments: [],
    ...over,
  };
}

export async function* stream<T>(...values: T[]): AsyncGenerator<T> {
  yield* values;
}

/** All outcomes, and what was thrown in the end. */
export async function outcomesOf(
  sent: AsyncIterable<Outcome>,
): Promise<{ outcomes: Outcome[]; thrown: (Error & { reason?: string }) | undefined }> {
  const outcomes: Outcome[] = [];
  try {
    for await (const outcome of sent) outcomes.push(outcome);
  } catch (thrown) {
    return { outcomes, thrown: thrown as Error };
  }
  return { outcomes, thrown: undefined };
}

/** Never aborts. */
export const calm = (): AbortSignal => new AbortController().signal;
