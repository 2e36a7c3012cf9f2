import type { GraphMessage, JsonObject } from './mail.ts';
import { MemberReader } from './member-reader.ts';

/** A file; a mail, contact or event inside a mail; a link to a file that lies elsewhere. */
export type AttachmentKind = 'file' | 'item' | 'reference';

/**
 * An attachment as Graph lists it: only the id is certain.
 * Source: https://learn.microsoft.com/graph/api/resources/attachment
 */
export type GraphAttachment = GraphMessage;

/** Why the bytes of an attachment are not fetched: a link has none; nobody wants those of another. */
export const LEFT_OUT = { link: 'link', unwanted: 'not_wanted' } as const;

/** An attachment as the columns of `attachments` hold it; times are ISO 8601 in UTC. */
export interface AttachmentRow {
  readonly id: string;
  readonly kind: AttachmentKind;
  readonly name: string | null;
  readonly content_type: string | null;
  /** As Graph says it: somewhat more than the bytes. Of a link it is the size of the link. */
  readonly size: number | null;
  readonly is_inline: boolean | null;
  /** By which the body shows it (`cid:`). */
  readonly content_id: string | null;
  /** Of a link: where it leads. Graph says it in its beta version only. */
  readonly source_url: string | null;
  readonly last_modified_date_time: string | null;
  /** Members that no column holds exactly as received; null when nothing is left over. The content is never here. */
  readonly record: JsonObject | null;
}

/** What has a column, the content, what a response says about itself, and `contentLocation`, which Exchange does not use. */
const KNOWN: ReadonlySet<string> = new Set([
  'id',
  'name',
  'contentType',
  'size',
  'isInline',
  'contentId',
  'sourceUrl',
  'lastModifiedDateTime',
  '@odata.type',
  '@odata.context',
  '@odata.etag',
  '@odata.mediaContentType',
  '@odata.mediaEditLink',
  '@odata.mediaReadLink',
  '@odata.mediaEtag',
  'contentLocation',
  'contentBytes',
  'contentBytes@odata.mediaReadLink',
  'item',
  'item@odata.context',
  'item@odata.associationLink',
  'item@odata.navigationLink',
]);

/**
 * Splits an attachment into columns, as `toEmailRow` does with a message. A type that nobody knows is taken for a file,
 * and kept in `record`.
 *
 * @param suspicious whether the text that it was parsed from had escapes of NUL or surrogates in it
 */
export function toAttachmentRow(attachment: GraphAttachment, suspicious: boolean): AttachmentRow {
  const reader = new MemberReader(attachment, suspicious, KNOWN);
  const kind = kindOf(attachment);
  if (kind === undefined) reader.keep('@odata.type');
  const row = {
    id: reader.text('id') ?? '',
    kind: kind ?? 'file',
    name: reader.text('name'),
    content_type: reader.text('contentType'),
    size: reader.count('size'),
    is_inline: reader.flag('isInline'),
    content_id: reader.text('contentId'),
    source_url: reader.text('sourceUrl'),
    last_modified_date_time: reader.time('lastModifiedDateTime'),
  };
  reader.rest();
  return { ...row, record: reader.record };
}

function kindOf({ '@odata.type': type }: GraphAttachment): AttachmentKind | undefined {
  const [, kind] =
    (typeof type === 'string' && /^#?microsoft\.graph\.(file|item|reference)Attachment$/.exec(type)) || [];
  return kind as AttachmentKind | undefined;
}
