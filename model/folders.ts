import type { MailFolder } from './mail.ts';

/** A folder as the store keeps it: with its path and, for a standard folder, its well-known name. */
export interface FolderWithPath extends MailFolder {
  /**
   * Names from the top, joined by `/`. A standard folder goes by its well-known name whatever the mailbox's language,
   * so `inbox/Projects`, not `Posteingang/Projects`.
   */
  readonly path: string;
  readonly wellKnownName: string | null;
}

/** What one entry of `filters.folders` asks for. */
export type FolderSelector =
  | { readonly kind: 'all' }
  | { readonly kind: 'well-known'; readonly name: string }
  /** A display name, or a path of display names. */
  | { readonly kind: 'named'; readonly name: string };

/** Standard folders that Graph finds by name in any language. Source: graph/api/resources/mailfolder. */
const WELL_KNOWN = new Set([
  'archive',
  'clutter',
  'conflicts',
  'conversationhistory',
  'deleteditems',
  'drafts',
  'inbox',
  'junkemail',
  'localfailures',
  'outbox',
  'recoverableitemsdeletions',
  'scheduled',
  'sentitems',
  'serverfailures',
  'syncissues',
]);

/** Shorter names that existing clients send. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  sent: 'sentitems',
  deleted: 'deleteditems',
  junk: 'junkemail',
};

/** Standard folders looked up when a whole tree is read, so that they are named alike in every language. */
export const STANDARD_FOLDERS = ['inbox', 'sentitems', 'drafts', 'deleteditems', 'junkemail', 'archive'] as const;

/** The entries of `filters.folders`, in any case, as selectors. */
export function parseFolders(names: readonly string[]): FolderSelector[] {
  return names.map((name) => {
    const folded = name.trim().toLowerCase().replaceAll(' ', '');
    if (folded === 'all') return { kind: 'all' };
    const wellKnown = SHORT_NAMES[folded] ?? folded;
    return WELL_KNOWN.has(wellKnown) ? { kind: 'well-known', name: wellKnown } : { kind: 'named', name: name.trim() };
  });
}

/** Gives every folder of a tree its path. `wellKnown` maps folder ids to well-known names. */
export function withPaths(tree: readonly MailFolder[], wellKnown: ReadonlyMap<string, string>): FolderWithPath[] {
  const byId = new Map(tree.map((folder) => [folder.id, folder]));
  const paths = new Map<string, string>();
  const nameOf = (folder: MailFolder): string => wellKnown.get(folder.id) ?? folder.displayName;
  for (const folder of tree) {
    // Walked by loop, not by recursion: trees hundreds of levels deep exist.
    const unnamed: MailFolder[] = [];
    for (let at: MailFolder | undefined = folder; at && !paths.has(at.id); at = byId.get(at.parentFolderId ?? '')) {
      if (unnamed.includes(at)) break;
      unnamed.push(at);
    }
    for (const at of unnamed.reverse()) {
      const parent = wellKnown.has(at.id) ? undefined : paths.get(at.parentFolderId ?? '');
      paths.set(at.id, parent === undefined ? nameOf(at) : `${parent}/${nameOf(at)}`);
    }
  }
  return tree.map((folder) => ({
    ...folder,
    path: paths.get(folder.id) ?? folder.displayName,
    wellKnownName: wellKnown.get(folder.id) ?? null,
  }));
}

/** Which folders of a tree the selectors want, each once, and which selectors name no folder of it. */
export interface FolderChoice {
  readonly folders: readonly FolderWithPath[];
  readonly missing: readonly string[];
}

/** Search folders are never chosen: their messages live elsewhere. Hidden ones only by name. */
export function chooseFolders(selectors: readonly FolderSelector[], tree: readonly FolderWithPath[]): FolderChoice {
  const chosen = new Map<string, FolderWithPath>();
  const missing: string[] = [];
  const real = tree.filter(({ isVirtual }) => !isVirtual);
  const displayPaths = displayPathsOf(tree);
  for (const selector of selectors) {
    const found = real.filter((folder) => matches(selector, folder, displayPaths.get(folder.id) ?? ''));
    for (const folder of found) chosen.set(folder.id, folder);
    if (found.length === 0 && selector.kind !== 'all') missing.push(selector.name);
  }
  return { folders: [...chosen.values()], missing };
}

function matches(selector: FolderSelector, folder: FolderWithPath, displayPath: string): boolean {
  switch (selector.kind) {
    case 'all':
      return !folder.isHidden;
    case 'well-known':
      return folder.wellKnownName === selector.name;
    case 'named': {
      const wanted = selector.name.toLowerCase();
      return [folder.displayName, folder.path, displayPath].some((name) => name.toLowerCase() === wanted);
    }
  }
}

/** Paths as the mailbox's owner sees them, in the mailbox's language. */
function displayPathsOf(tree: readonly FolderWithPath[]): Map<string, string> {
  return new Map(withPaths(tree, new Map()).map(({ id, path }) => [id, path]));
}
