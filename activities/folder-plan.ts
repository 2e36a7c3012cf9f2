import type { GraphMailbox } from '../graph/graph.ts';
import {
  STANDARD_FOLDERS,
  chooseFolders,
  parseFolders,
  withPaths,
  type FolderChoice,
  type FolderSelector,
  type FolderWithPath,
} from '../model/folders.ts';
import type { MailFolder } from '../model/mail.ts';

export interface FolderPlan extends FolderChoice {
  /** Every folder that was looked at, wanted or not. */
  readonly tree: readonly FolderWithPath[];
  /** Whether that is every visible folder of the mailbox. */
  readonly isWhole: boolean;
}

/**
 * Finds the wanted folders of a mailbox. Well-known names alone cost one request each; anything else needs the whole
 * tree.
 */
export async function planFolders(
  mailbox: GraphMailbox,
  names: readonly string[],
  signal: AbortSignal,
): Promise<FolderPlan> {
  const selectors = parseFolders(names);
  const wellKnownOnly = selectors.filter((selector) => selector.kind === 'well-known');
  const isWhole = wellKnownOnly.length < selectors.length;
  const tree = isWhole
    ? await wholeTree(mailbox, selectors, signal)
    : await standardFolders(
        mailbox,
        wellKnownOnly.map(({ name }) => name),
        signal,
      );
  return { tree, isWhole, ...chooseFolders(selectors, tree) };
}

async function standardFolders(
  mailbox: GraphMailbox,
  names: readonly string[],
  signal: AbortSignal,
): Promise<FolderWithPath[]> {
  const found = await lookUp(mailbox, names, signal);
  const wellKnown = new Map(found.map(([name, { id }]) => [id, name]));
  return withPaths(
    found.map(([, folder]) => folder),
    wellKnown,
  );
}

async function wholeTree(
  mailbox: GraphMailbox,
  selectors: readonly FolderSelector[],
  signal: AbortSignal,
): Promise<FolderWithPath[]> {
  const asked = selectors.flatMap((selector) => (selector.kind === 'well-known' ? selector.name : []));
  const [tree, standard] = await Promise.all([
    mailbox.folderTree({ includeHidden: false }, signal),
    lookUp(mailbox, [...new Set([...STANDARD_FOLDERS, ...asked])], signal),
  ]);
  const known = new Set(tree.map(({ id }) => id));
  // A well-known folder asked for by name may lie outside the visible tree (Recoverable Items do).
  const outside = standard
    .filter(([name, { id }]) => !known.has(id) && asked.includes(name))
    .map(([, folder]) => folder);
  return withPaths([...tree, ...outside], new Map(standard.map(([name, { id }]) => [id, name])));
}

async function lookUp(
  mailbox: GraphMailbox,
  names: readonly string[],
  signal: AbortSignal,
): Promise<(readonly [name: string, folder: MailFolder])[]> {
  const [only] = names;
  if (only === undefined) return [];
  if (names.length > 1) return [...(await mailbox.foldersByName(names, signal))];
  const folder = await mailbox.folder(only, signal);
  return folder ? [[only, folder]] : [];
}
