import mime from 'mime';
import { InvalidFilter, filterItems } from './filter-list.ts';

/** Extensions with a dot (`.pdf`, `.tar.gz`) and MIME types (`application/pdf`, `image/*`), in lower case; none: all. */
export type FileTypes = readonly string[];

/** `look`: the first bytes have to tell. */
export type Verdict = 'wanted' | 'unwanted' | 'look';

/** What is known of an attachment without its bytes. */
export interface NamedType {
  readonly name: string | null;
  readonly contentType: string | null;
}

/**
 * `FILE_TYPES`: extensions (`.pdf`, `pdf` or `*.pdf`) and MIME types; `*` is all.
 * @throws {InvalidFilter}
 */
export const parseFileTypes = (text: string): FileTypes => fileTypesOf(filterItems(text));

/**
 * The same where they stand in a list.
 * @throws {InvalidFilter}
 */
export function fileTypesOf(items: readonly string[]): FileTypes {
  const types = items.map((item) => {
    const type = item.trim().toLowerCase();
    if (/^(\*|\*\.\*|\.\*|\*\/\*)$/.test(type)) return '*';
    if (/^[a-z][a-z0-9!#$&^_.+-]*\/(\*|[a-z0-9!#$&^_.+-]+)$/.test(type)) return type;
    const extension = `.${type.replace(/^\*?\./, '')}`;
    if (/^(\.[\p{L}\p{N}_~$!#&+-]+)+$/u.test(extension)) return extension;
    throw new InvalidFilter(`"${item}" is neither an extension (.pdf) nor a MIME type (application/pdf, image/*)`);
  });
  return types.includes('*') ? [] : [...new Set(types)];
}

/** Types that say nothing, or nothing of what is in the file. */
const SAYS_NOTHING =
  /^$|^\*\/\*$|^(application|binary)\/(octet-stream|binary|x-binary|unknown|x-unknown|(force-|x-)?download|x-forcedownload)$/;

/** Names of types that nobody has registered and many mail programs use. */
const ALIASES: Readonly<Record<string, string>> = {
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/x-png': 'image/png',
  'image/tif': 'image/tiff',
  'application/x-pdf': 'application/pdf',
  'application/acrobat': 'application/pdf',
  'application/csv': 'text/csv',
  'application/x-csv': 'text/csv',
  'text/x-csv': 'text/csv',
  'text/comma-separated-values': 'text/csv',
  'application/excel': 'application/vnd.ms-excel',
  'application/x-excel': 'application/vnd.ms-excel',
  'application/x-msexcel': 'application/vnd.ms-excel',
  'application/x-zip': 'application/zip',
  // Registered, but extensions are known of the older name.
  'text/vcard': 'text/x-vcard',
  'application/x-zip-compressed': 'application/zip',
};

/**
 * Whether an attachment is of one of the types, as its name and its MIME type say. Where only one of them says anything,
 * it decides. Where they contradict each other, or neither says anything, the bytes have to tell.
 */
export function fileTypeVerdict(types: FileTypes, { name, contentType }: NamedType): Verdict {
  if (types.length === 0) return 'wanted';
  const byName = isNamedSo(types, name);
  const byType = isTypeOf(types, contentType);
  const said = byName ?? byType;
  if (said === undefined || (byType !== undefined && byType !== said)) return 'look';
  return said ? 'wanted' : 'unwanted';
}

/**
 * The same when the bytes have told what they are, `sniffed` by `sniffType`. Where they tell nothing the name decides, and
 * so it does where they show no more than the container in which such a file comes.
 */
export function isOfFileTypes(types: FileTypes, named: NamedType, sniffed: string | null): boolean {
  const verdict = fileTypeVerdict(types, named);
  if (verdict !== 'look') return verdict === 'wanted';
  const byName = isNamedSo(types, named.name);
  const extension = extensionOf(named.name);
  const container = CONTAINERS[sniffed ?? ''];
  const isInside = container?.test((extension !== undefined && mime.getType(extension)) || '') ?? false;
  if (sniffed !== null && !isInside) return isTypeOf(types, sniffed) ?? byName ?? false;
  return byName ?? isTypeOf(types, named.contentType) ?? false;
}

/** Types of files that are others inside, and what MIME types these others have. */
const CONTAINERS: Readonly<Record<string, RegExp>> = {
  'application/zip': /openxmlformats|opendocument|macroenabled|epub|java-archive|\+zip/i,
  'application/x-cfb': /ms-(excel|powerpoint|outlook|project|publisher|works)|msword|visio|x-msi/i,
  'application/xml': /\+xml|html/i,
};

/** Undefined where the name has no extension that anyone knows. */
function isNamedSo(types: FileTypes, name: string | null): boolean | undefined {
  const folded = fold(name);
  if (types.some((type) => type.startsWith('.') && folded.endsWith(type))) return true;
  const extension = extensionOf(name);
  const type = extension === undefined ? null : mime.getType(extension);
  if (type === null) return undefined;
  return types.some((wanted) => isOfPattern(type, wanted));
}

/** Undefined where the MIME type says nothing, or nothing that anyone knows. */
function isTypeOf(types: FileTypes, contentType: string | null): boolean | undefined {
  const [said = ''] = (contentType ?? '').toLowerCase().split(';');
  const type = sameName(said.trim());
  if (SAYS_NOTHING.test(type)) return undefined;
  const extensions = mime.getAllExtensions(type);
  const isWanted = types.some((wanted) => isOfPattern(type, wanted) || extensions?.has(wanted.slice(1)));
  return isWanted || (extensions === null ? undefined : false);
}

const isOfPattern = (type: string, pattern: string): boolean =>
  pattern.endsWith('/*') ? type.startsWith(pattern.slice(0, -1)) : sameName(type) === sameName(pattern);

const sameName = (type: string): string => ALIASES[type] ?? type;

/** Windows takes no notice of dots and spaces at the end. */
const fold = (name: string | null): string => (name ?? '').toLowerCase().replace(/[\s.]+$/, '');

const extensionOf = (name: string | null): string | undefined => /.\.([^./\\\s]+)$/.exec(fold(name))?.[1];
