import { DEFAULT_MEMBERS, DERIVED_MEMBERS, SELECTED_ONLY_MEMBERS } from '../mail/shape.ts';
import { faults } from './fault.ts';

/** The options of a request's query string, decoded; names as Graph documents them. */
export type Query = ReadonlyMap<string, string>;

/** Reads a query string. Names are taken in any case; an option that is given twice is refused. */
export function readQuery(text: string): Query {
  const query = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    const key = name.toLowerCase();
    if (query.has(key)) throw faults.badQuery(`Query option '${name}' was specified more than once.`);
    query.set(key, value);
  }
  return query;
}

/** Refuses every `$option` that is not among `supported` (names in lower case). */
export function onlyOptions(query: Query, resource: string, supported: readonly string[]): void {
  for (const name of query.keys()) {
    if (name.startsWith('$') && !supported.includes(name)) {
      throw faults.badQuery(`The query parameter '${name}' is not supported for '${resource}' resource.`);
    }
  }
}

/** A whole number between `least` and `most`, or `otherwise` where the option is absent. */
export function numberOption(query: Query, name: string, otherwise: number, least: number, most: number): number {
  const text = query.get(name);
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    const label = name === '$top' ? 'Top' : 'Skip';
    throw faults.badQuery(
      `The limit of '${most}' for ${label} query has been exceeded. The value from the incoming request is '${text}'.`,
    );
  }
  return value;
}

/** The names of a comma-separated option; undefined where it is absent. */
export function listOption(query: Query, name: string): string[] | undefined {
  const text = query.get(name);
  if (text === undefined) return undefined;
  return text.split(',').map((part) => part.trim()).filter((part) => part !== ''); // prettier-ignore
}

/** Whether an option says `true`. */
export function flagOption(query: Query, name: string): boolean {
  return query.get(name)?.toLowerCase() === 'true';
}

const MESSAGE_MEMBERS: ReadonlySet<string> = new Set<string>([
  'id',
  ...DEFAULT_MEMBERS,
  ...SELECTED_ONLY_MEMBERS,
  ...DERIVED_MEMBERS,
]);

/** `$select` of messages; refuses names that a message does not have. Undefined where it is absent or `*`. */
export function messageSelect(query: Query): string[] | undefined {
  const names = listOption(query, '$select');
  if (!names || names.includes('*')) return undefined;
  for (const name of names) {
    const member = name.split('/').at(-1) ?? name;
    if (!MESSAGE_MEMBERS.has(member)) {
      throw faults.badUri(`Could not find a property named '${name}' on type 'microsoft.graph.message'.`);
    }
  }
  return names.map((name) => name.split('/').at(-1) ?? name);
}

/** What the `Prefer` header of a request asks for. */
export interface Preferences {
  maxPageSize: number | undefined;
  immutableIds: boolean;
  bodyType: 'text' | 'html' | undefined;
  unsafeHtml: boolean;
}

/** Reads a `Prefer` header: several preferences with commas between. Unknown ones are ignored, as Graph ignores them. */
export function readPreferences(header: string | undefined): Preferences {
  const text = header ?? '';
  const size = /odata\.maxpagesize\s*=\s*"?(\d+)/i.exec(text)?.[1];
  const body = /outlook\.body-content-type\s*=\s*"?(text|html)/i.exec(text)?.[1];
  return {
    maxPageSize: size === undefined ? undefined : Number(size),
    immutableIds: /IdType\s*=\s*"?ImmutableId/i.test(text),
    bodyType: body === undefined ? undefined : (body.toLowerCase() as 'text' | 'html'),
    unsafeHtml: /outlook\.allow-unsafe-html/i.test(text),
  };
}

/** The `Preference-Applied` header for what was honoured. */
export function preferenceApplied(preferences: Preferences, pageSize?: number): Record<string, string> {
  const applied = [
    preferences.immutableIds ? 'IdType="ImmutableId"' : undefined,
    preferences.bodyType && `outlook.body-content-type="${preferences.bodyType}"`,
    preferences.unsafeHtml ? 'outlook.allow-unsafe-html' : undefined,
    preferences.maxPageSize !== undefined && pageSize !== undefined ? `odata.maxpagesize=${pageSize}` : undefined,
  ].filter((preference) => preference !== undefined);
  return applied.length > 0 ? { 'preference-applied': applied.join(', ') } : {};
}
