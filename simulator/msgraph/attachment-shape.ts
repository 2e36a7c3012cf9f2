import { faults } from './fault.ts';

/** What of attachments an answer shows. */
export interface AttachmentShape {
  /** Whether a member is shown; ids and annotations always are. */
  shows(member: string): boolean;
  /** The messages inside of item attachments are shown, and how; undefined where they are not. */
  item: { attachments?: AttachmentShape } | undefined;
}

type Options = Pick<ReadonlyMap<string, string>, 'get'>;

const MEMBERS: ReadonlySet<string> = new Set([
  'id',
  'name',
  'contentType',
  'size',
  'isInline',
  'lastModifiedDateTime',
  'microsoft.graph.fileAttachment/contentBytes',
  'microsoft.graph.fileAttachment/contentId',
  'microsoft.graph.fileAttachment/contentLocation',
]);

/**
 * Reads `$select` and `$expand` of attachments. Members of derived types can be selected by their qualified name only,
 * and the one thing to expand is `microsoft.graph.itemattachment/item`, with the attachments of that message in it if it
 * is followed by `($expand=microsoft.graph.message/attachments)`, and so on.
 *
 * @throws GraphFault 400 for anything else.
 */
export function readAttachmentShape(options: Options): AttachmentShape {
  const selected = namesOf(options.get('$select'));
  return { shows: (member) => selected?.has(member) ?? true, item: itemOf(options.get('$expand')) };
}

/** The same for `$expand=attachments` of messages; undefined where there is no such option. */
export function readExpandedAttachments(options: Options): AttachmentShape | undefined {
  const text = options.get('$expand');
  if (text === undefined) return undefined;
  const match = /^\s*(?:microsoft\.graph\.message\/)?attachments\s*(?:\(([^]*)\))?\s*$/i.exec(text);
  if (!match) throw cannotExpand(text, 'microsoft.graph.message');
  return readAttachmentShape(optionsInside(match[1]));
}

function namesOf(select: string | undefined): ReadonlySet<string> | undefined {
  if (select === undefined || select.trim() === '' || select.trim() === '*') return undefined;
  const names = select.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) {
    throw faults.badUri(`Could not find a property named '${unknown}' on type 'microsoft.graph.attachment'.`);
  }
  return new Set(names.map((name) => name.split('/').at(-1) ?? name));
}

function itemOf(expand: string | undefined): AttachmentShape['item'] {
  if (expand === undefined) return undefined;
  const match = /^\s*microsoft\.graph\.itemattachment\/item\s*(?:\(([^]*)\))?\s*$/i.exec(expand);
  if (!match) throw cannotExpand(expand, 'microsoft.graph.attachment');
  const attachments = readExpandedAttachments(optionsInside(match[1]));
  return attachments ? { attachments } : {};
}

/** The options in the brackets of another one, with semicolons between. */
function optionsInside(text = ''): Options {
  const options = new Map<string, string>();
  for (const part of splitOutside(text)) {
    const at = part.indexOf('=');
    const name = part.slice(0, at).trim().toLowerCase();
    if (at < 0 || (name !== '$select' && name !== '$expand')) {
      throw faults.badUri(`Parsing Select and Expand failed: '${part.trim()}' is not supported here.`);
    }
    options.set(name, part.slice(at + 1));
  }
  return options;
}

/** Splits at the semicolons that stand in no brackets. */
function splitOutside(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    if (text[at] === '(') depth++;
    else if (text[at] === ')') depth--;
    else if (at === text.length || (text[at] === ';' && depth === 0)) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return parts.filter((part) => part.trim() !== '');
}

function cannotExpand(text: string, type: string) {
  return faults.badUri(`Parsing Select and Expand failed: '${text}' cannot be expanded on '${type}'.`);
}
