import { describe, expect, it } from 'vitest';
import { chooseFolders, parseFolders, withPaths } from '../../model/folders.ts';
import type { MailFolder } from '../../model/mail.ts';

const folder = (
  id: string,
  displayName: string,
  parentFolderId: string | null,
  more: Partial<MailFolder> = {},
): MailFolder => ({
  id,
  displayName,
  parentFolderId,
  childFolderCount: 0,
  totalItemCount: 0,
  isHidden: false,
  isVirtual: false,
  ...more,
});

const GERMAN_TREE = [
  folder('i', 'Posteingang', 'root'),
  folder('p', 'Projekte', 'i'),
  folder('q', 'Alpha/Beta', 'p'),
  folder('s', 'Gesendete Elemente', 'root'),
  folder('h', 'Versteckt', 'root', { isHidden: true }),
  folder('v', 'Suche', 'root', { isVirtual: true }),
];
const tree = withPaths(
  GERMAN_TREE,
  new Map([
    ['i', 'inbox'],
    ['s', 'sentitems'],
  ]),
);
const pathsFor = (...names: string[]): string[] =>
  chooseFolders(parseFolders(names), tree).folders.map(({ path }) => path);

describe('folder filters', () => {
  it('take well-known names in any case, with blanks and in the short form that clients send', () => {
    expect(parseFolders(['Inbox', 'SENT', 'Sent Items', 'deleted', 'Junk'])).toEqual(
      ['inbox', 'sentitems', 'sentitems', 'deleteditems', 'junkemail'].map((name) => ({ kind: 'well-known', name })),
    );
  });

  it('find a standard folder whatever the language of the mailbox', () => {
    expect(pathsFor('inbox', 'sent')).toEqual(['inbox', 'sentitems']);
  });

  it('find a folder by its display name, its path with the well-known root, or its path as its owner sees it', () => {
    expect(pathsFor('projekte')).toEqual(['inbox/Projekte']);
    expect(pathsFor('Inbox/Projekte')).toEqual(['inbox/Projekte']);
    expect(pathsFor('Posteingang/Projekte')).toEqual(['inbox/Projekte']);
    expect(pathsFor('Alpha/Beta')).toEqual(['inbox/Projekte/Alpha/Beta']);
  });

  it('mean the whole tree by `all`, but neither hidden nor search folders', () => {
    expect(pathsFor('all')).toEqual(['inbox', 'inbox/Projekte', 'inbox/Projekte/Alpha/Beta', 'sentitems']);
  });

  it('reach a hidden folder by name, and a search folder never', () => {
    expect(pathsFor('Versteckt')).toEqual(['Versteckt']);
    expect(chooseFolders(parseFolders(['Suche']), tree)).toEqual({ folders: [], missing: ['Suche'] });
  });

  it('choose a folder named twice once, and tell which name no folder has', () => {
    const choice = chooseFolders(parseFolders(['inbox', 'INBOX', 'nowhere', 'drafts']), tree);
    expect(choice.folders.map(({ id }) => id)).toEqual(['i']);
    expect(choice.missing).toEqual(['nowhere', 'drafts']);
  });
});

describe('folder paths', () => {
  it('reach down a tree of 5,000 levels', () => {
    const deep = Array.from({ length: 5000 }, (_, level) =>
      folder(`f${level}`, 'x', level === 0 ? 'root' : `f${level - 1}`),
    );
    expect(withPaths(deep, new Map()).at(-1)?.path).toHaveLength(5000 * 2 - 1);
  });

  it('end where a broken tree has a cycle', () => {
    const cycle = [folder('a', 'A', 'b'), folder('b', 'B', 'a')];
    expect(withPaths(cycle, new Map()).map(({ path }) => path.length)).not.toContain(0);
  });
});
