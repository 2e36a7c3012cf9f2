import type { Flavour, Run } from '../mail/generator.ts';

/** A change of a message as its folder saw it. */
export interface FolderChange {
  /** The mailbox's change number. */
  sequence: number;
  ordinal: number;
  /** `read` is a change of nothing but `isRead`. */
  kind: 'created' | 'updated' | 'read' | 'removed';
  /** The default id of the message in this folder, which no longer exists once it was moved. */
  entryId: string;
  /** The members that were changed; of `updated` and `read` only. */
  members?: readonly string[];
}

/** What makes a folder one of Exchange's search folders: a view on another folder's messages. */
export interface SearchDefinition {
  filterQuery: string;
  source: Folder;
}

/** A mail folder of one mailbox. */
export interface Folder {
  /** Position in the mailbox's folder table, part of the ids. */
  number: number;
  id: string;
  displayName: string;
  parent: Folder | undefined;
  wellKnownName: string | undefined;
  isHidden: boolean;
  flavour: Flavour;
  search: SearchDefinition | undefined;
  /** The generated messages that were made for this folder; they may have been moved since. */
  run: Run;
  /** Messages that are here now as ordinals, newest first; made when first needed. */
  order: number[] | undefined;
  /** Messages that were here once and are kept as records, before `order` is made. */
  stored: number[];
  /** Unread messages, counted when first needed. */
  unread: number | undefined;
  changes: FolderChange[];
  /** The mailbox's change number when this folder or its counters last changed. */
  changedAt: number;
  /** Rises with every change of the content, so that cached pages of older content are not used again. */
  version: number;
  /** Delta tokens of older generations answer 410. */
  generation: number;
  isDeleted: boolean;
}

/** The names of a folder and those above it, below the root. */
export function pathOf(folder: Folder): string {
  const names: string[] = [];
  for (let at: Folder | undefined = folder; at && at.wellKnownName !== 'msgfolderroot'; at = at.parent) {
    names.unshift(at.displayName);
  }
  return names.join('/');
}

/** Whether a folder has this id, path or well-known name. */
export function isNamed(folder: Folder, name: string): boolean {
  return folder.id === name || folder.wellKnownName === name.toLowerCase() || pathOf(folder) === name;
}

/** Whether the folder or one above it is hidden. */
export function isHiddenAnywhere(folder: Folder): boolean {
  for (let at: Folder | undefined = folder; at; at = at.parent) if (at.isHidden) return true;
  return false;
}

/** Whether the folder lies below `msgfolderroot` (Recoverable Items and search roots do not). */
export function isInTree(folder: Folder): boolean {
  for (let at: Folder | undefined = folder.parent; at; at = at.parent) {
    if (at.wellKnownName === 'msgfolderroot') return true;
  }
  return false;
}
