import type { ServerResponse } from 'node:http';
import { drained } from '../delivery.ts';
import type { JsonObject } from '../mail/bytes.ts';
import type { SimulatorControl } from './control.ts';
import { ControlError } from './control-error.ts';
import type { Handler } from './live-http.ts';
import type { AttachmentRef } from './places.ts';
import { readAttachment } from './read-attachment.ts';

/** Attachments and their ground truth, over HTTP. */
export const ATTACHMENT_HANDLERS: Record<string, Handler> = {
  'GET /truth/attachments': (control, { query }) => control.attachments.truth.page(attachmentQuery(query)),
  'POST /attachments': (control, { body }) =>
    control.attachments.add({ mailbox: text(body, 'mailbox'), id: text(body, 'id') }, readAttachment(body.with)),
  'PUT /attachments': (control, { body }) => control.attachments.replace(refOf(body), readAttachment(body.with)),
  'DELETE /attachments': (control, { body }) => control.attachments.remove(refOf(body)),
};

/** Answers with the ground truth of attachments, one line for each. */
export async function streamAttachments(
  response: ServerResponse,
  control: SimulatorControl,
  query: URLSearchParams,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  for await (const attachment of control.attachments.truth.all(attachmentQuery(query))) {
    if (response.destroyed) return;
    if (!response.write(`${JSON.stringify(attachment)}\n`)) await drained(response);
  }
  response.end();
}

/** The query of the ground truth of attachments: as for messages, and `message`. */
function attachmentQuery(query: URLSearchParams) {
  const limit = query.get('limit');
  return {
    ...Object.fromEntries(
      ['mailbox', 'folder', 'message', 'after'].flatMap((name) => (query.has(name) ? [[name, query.get(name)]] : [])),
    ),
    ...(query.get('scope') === 'all' ? { scope: 'all' as const } : {}),
    ...(limit === null ? {} : { limit: Number(limit) }),
  };
}

function refOf(body: JsonObject): AttachmentRef {
  return { mailbox: text(body, 'mailbox'), id: text(body, 'id'), attachment: text(body, 'attachment') };
}

function text(body: JsonObject, name: string): string {
  const value = body[name];
  if (typeof value !== 'string') throw new ControlError(400, `'${name}' is missing or no text.`);
  return value;
}
