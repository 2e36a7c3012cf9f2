import { z } from 'zod';
import type { JsonObject } from '../mail/bytes.ts';
import { composeMime } from '../mail/compose.ts';
import { type Content, type FileContent, GeneratedContent } from '../mail/content.ts';
import type { AttachmentRecord } from '../mail/record.ts';
import { parsed } from './parsed.ts';

const LARGEST = 0x7fffffff - 1_000;

const common = {
  name: z.union([z.string(), z.null()]).exactOptional(),
  contentType: z.union([z.string(), z.null()]).exactOptional(),
  isInline: z.boolean().exactOptional(),
};
const contents = {
  contentBytes: z.base64().exactOptional(),
  bytes: z.int().min(0).max(LARGEST).exactOptional(),
  seed: z.int().exactOptional(),
};
const attachment = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('file'),
    ...common,
    ...contents,
    contentId: z.union([z.string(), z.null()]).exactOptional(),
  }),
  z.strictObject({
    kind: z.literal('item'),
    ...common,
    item: z.record(z.string(), z.json()).exactOptional(),
    mime: z.base64().exactOptional(),
  }),
  z.strictObject({ kind: z.literal('reference'), ...common, size: z.int().min(0).max(LARGEST).exactOptional() }),
]);

type Sent = z.infer<typeof attachment>;

/**
 * Reads an attachment from the body of a control request: a file with `contentBytes` (Base64) or with so many `bytes`
 * that are made from a `seed`, an item with its `mime` (Base64) or composed from its `item`, or a reference.
 *
 * @throws ControlError 400 that names the member at fault.
 */
export function readAttachment(body: unknown): AttachmentRecord {
  return recordOf(parsed(attachment, body, 'attachment'));
}

/** The same for a list of them. */
export function readAttachments(body: unknown): AttachmentRecord[] {
  return parsed(z.array(attachment), body ?? [], 'list of attachments').map(recordOf);
}

function recordOf(sent: Sent): AttachmentRecord {
  const { name = 'New attachment', contentType = null, isInline = false } = sent;
  switch (sent.kind) {
    case 'file':
      return { kind: 'file', name, contentType, isInline, contentId: sent.contentId ?? null, content: fileOf(sent) };
    case 'item':
      return { kind: 'item', name, contentType, isInline, ...insideOf(sent) };
    case 'reference':
      return { kind: 'reference', name, contentType, isInline, size: sent.size ?? 1_060 };
  }
}

function fileOf({ contentBytes, bytes = 1_000, seed = 1 }: Extract<Sent, { kind: 'file' }>): FileContent {
  return contentBytes === undefined ? new GeneratedContent(seed, bytes) : Buffer.from(contentBytes, 'base64');
}

function insideOf(sent: Extract<Sent, { kind: 'item' }>): { item: JsonObject; mime: Content } {
  const item = { '@odata.type': '#microsoft.graph.message', id: '', ...(sent.item as JsonObject | undefined) };
  return { item, mime: sent.mime === undefined ? composeMime(item, [], 1) : Buffer.from(sent.mime, 'base64') };
}
