import { readFile } from 'node:fs/promises';
import { parse, type CollectionTag } from 'yaml';

/** The members of a compose file that the tests look at. */
export interface ComposeFile {
  readonly name?: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly configs?: Readonly<Record<string, { readonly content: string }>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
  readonly networks?: Readonly<Record<string, { readonly internal?: boolean } | null>>;
}

export interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly networks?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[] };
  readonly restart?: string;
  readonly profiles?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly init?: boolean;
  readonly stop_grace_period?: string;
  readonly logging?: { readonly options?: Readonly<Record<string, string>> };
  readonly deploy?: {
    readonly replicas?: string | number;
    readonly resources?: { readonly limits?: { readonly memory?: string; readonly cpus?: string } };
  };
}

/** What `!reset` leaves behind: the member is taken out of the file below. */
const RESET = Symbol('!reset');
const reset = { tag: '!reset', collection: 'seq', resolve: () => RESET } as unknown as CollectionTag;

/**
 * Reads compose files laid over one another, as `docker compose -f A -f B` does: maps are merged, lists and scalars of
 * the later file win, except that lists of ports are joined.
 */
export async function readCompose(env: Readonly<Record<string, string>>, ...paths: URL[]): Promise<ComposeFile> {
  const files = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
  const trees = files.map((text) => parse(text, { merge: true, customTags: [reset] }) as Tree);
  return trees.map((tree) => interpolate(tree, env)).reduce((below, above) => merge(below, above)) as never;
}

/** Every `${NAME…}` of a file's text, comments apart. */
export function namesIn(text: string): Set<string> {
  const code = text.replace(/^\s*#.*$/gm, '');
  return new Set([...code.matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name]) => name as string));
}

type Tree = string | number | boolean | null | symbol | Tree[] | { [name: string]: Tree };

function interpolate(tree: Tree, env: Readonly<Record<string, string>>): Tree {
  if (typeof tree === 'string') return interpolateText(tree, env);
  if (Array.isArray(tree)) return tree.map((item) => interpolate(item, env));
  if (tree === null || typeof tree !== 'object') return tree;
  return Object.fromEntries(Object.entries(tree).map(([name, value]) => [name, interpolate(value, env)]));
}

/** With one more `${…}` within a default at most. */
const VARIABLE = /\$\$|\$\{(\w+)(?::([-?])((?:[^${}]|\$\{[^{}]*\})*))?\}/g;

function interpolateText(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(VARIABLE, (match, name: string | undefined, operator: string | undefined, rest = '') => {
    if (match === '$$') return '$';
    const value = env[name ?? ''] ?? '';
    if (value !== '') return value;
    if (operator === '?') throw new Error(`${name} is not set: ${rest}`);
    return operator === '-' ? interpolateText(String(rest), env) : '';
  });
}

function merge(below: Tree, above: Tree, name?: string | number): Tree {
  if (above === RESET) return null;
  if (Array.isArray(below) && Array.isArray(above) && name === 'ports') return [...below, ...above];
  if (!isMap(below) || !isMap(above)) return above;
  const merged = { ...below };
  for (const [key, value] of Object.entries(above)) {
    if (value === RESET) delete merged[key];
    else merged[key] = key in below ? merge(below[key] as Tree, value, key) : value;
  }
  return merged;
}

const isMap = (tree: Tree): tree is { [name: string]: Tree } =>
  tree !== null && typeof tree === 'object' && !Array.isArray(tree);
