import type { Flavour } from '../mail/generator.ts';

/** The languages that mailboxes' standard folders are named in, by user in turn. */
export const LOCALES = ['en-US', 'de-DE', 'fr-FR', 'ja-JP', 'es-ES'] as const;
export type Locale = (typeof LOCALES)[number];

/** The phrasebook (index into the vocabularies) that fits a locale; mail of Spanish mailboxes is English. */
export const LANGUAGE_OF: Record<Locale, number> = { 'en-US': 0, 'de-DE': 1, 'fr-FR': 2, 'ja-JP': 3, 'es-ES': 0 };

type Names = readonly [en: string, de: string, fr: string, ja: string, es: string];

/** Display names of the well-known folders, in the order of LOCALES. */
const NAMES = {
  msgfolderroot: ['Top of Information Store', 'Oberste Ebene des Informationsspeichers', "Racine de la banque d'informations", 'インフォメーション ストアの先頭', 'Principio del almacén de información'],
  inbox: ['Inbox', 'Posteingang', 'Boîte de réception', '受信トレイ', 'Bandeja de entrada'],
  drafts: ['Drafts', 'Entwürfe', 'Brouillons', '下書き', 'Borradores'],
  sentitems: ['Sent Items', 'Gesendete Elemente', 'Éléments envoyés', '送信済みアイテム', 'Elementos enviados'],
  deleteditems: ['Deleted Items', 'Gelöschte Elemente', 'Éléments supprimés', '削除済みアイテム', 'Elementos eliminados'],
  junkemail: ['Junk Email', 'Junk-E-Mail', 'Courrier indésirable', '迷惑メール', 'Correo no deseado'],
  outbox: ['Outbox', 'Postausgang', "Boîte d'envoi", '送信トレイ', 'Bandeja de salida'],
  archive: ['Archive', 'Archiv', 'Archive', 'アーカイブ', 'Archivo'],
  conversationhistory: ['Conversation History', 'Verlauf der Unterhaltung', "Historique des conversations", '会話の履歴', 'Historial de conversaciones'],
  clutter: ['Clutter', 'Clutter', 'Courrier pêle-mêle', '低優先メール', 'Otros correos'],
  scheduled: ['Scheduled', 'Geplant', 'Planifié', 'スケジュール済み', 'Programado'],
  syncissues: ['Sync Issues', 'Synchronisierungsprobleme', 'Problèmes de synchronisation', '同期の失敗', 'Problemas de sincronización'],
  conflicts: ['Conflicts', 'Konflikte', 'Conflits', '競合', 'Conflictos'],
  localfailures: ['Local Failures', 'Lokale Fehler', 'Échecs locaux', 'ローカルの失敗', 'Errores locales'],
  serverfailures: ['Server Failures', 'Serverfehler', 'Échecs serveur', 'サーバーの失敗', 'Errores del servidor'],
  searchfolders: ['Finder', 'Suchordner', 'Dossiers de recherche', '検索フォルダー', 'Carpetas de búsqueda'],
  recoverableitemsdeletions: ['Deletions', 'Deletions', 'Deletions', 'Deletions', 'Deletions'],
} satisfies Record<string, Names>; // prettier-ignore

export type WellKnownName = keyof typeof NAMES;

/** Every name that Graph takes in place of a folder id, in lower case. A mailbox may lack the folder itself. */
export const WELL_KNOWN_NAMES: ReadonlySet<string> = new Set(Object.keys(NAMES));

/** The display name of a well-known folder in a locale. */
export function nameOf(folder: WellKnownName, locale: Locale): string {
  return NAMES[folder][LOCALES.indexOf(locale)] ?? NAMES[folder][0];
}

/** A folder to be made: its place among the others and its share of the mailbox's mail. */
export interface PlannedFolder {
  key: string;
  wellKnownName?: WellKnownName;
  displayName: string;
  parent?: string;
  isHidden?: boolean;
  flavour: Flavour;
  /** Share of the mailbox's mail; several weights are in proportion. */
  weight: number;
  /** Messages beside the mailbox's own number, which nobody sees who does not ask for hidden or deleted mail. */
  extra?: number;
  searchOf?: string;
}

const STANDARD: readonly [WellKnownName, Flavour, number][] = [
  ['inbox', 'received', 40],
  ['drafts', 'draft', 2],
  ['sentitems', 'sent', 18],
  ['deleteditems', 'received', 6],
  ['junkemail', 'received', 3],
  ['outbox', 'draft', 0],
  ['archive', 'received', 8],
  ['conversationhistory', 'received', 0],
];

/** Folders that hold mail, in the order in which `folders: N` fills them. */
const FILLED: readonly WellKnownName[] = ['inbox', 'sentitems', 'archive', 'deleteditems', 'junkemail', 'drafts'];

function wellKnown(name: WellKnownName, locale: Locale, rest: Partial<PlannedFolder> = {}): PlannedFolder {
  return { key: name, wellKnownName: name, displayName: nameOf(name, locale), flavour: 'received', weight: 0, ...rest };
}

function own(key: string, displayName: string, parent: string, weight: number): PlannedFolder {
  return { key, displayName, parent, flavour: 'received', weight };
}

/** The folders outside the visible tree that every mailbox has. */
function roots(locale: Locale): PlannedFolder[] {
  return [wellKnown('msgfolderroot', locale), wellKnown('searchfolders', locale)];
}

/**
 * Exactly `count` folders that hold mail, with even shares and no mail anywhere else: the standard ones first, then
 * folders of the user's own, every third of them inside the one before.
 */
export function plainPlan(count: number, locale: Locale): PlannedFolder[] {
  const planned = roots(locale);
  for (const [name, flavour] of STANDARD) {
    const filled = FILLED.indexOf(name);
    const weight = filled >= 0 && filled < count ? 1 : 0;
    planned.push(wellKnown(name, locale, { parent: 'msgfolderroot', flavour, weight }));
  }
  for (let number = FILLED.length; number < count; number++) {
    const parent = number % 3 === 2 ? `own${number - 1}` : 'msgfolderroot';
    planned.push(own(`own${number}`, `Folder ${number + 1}`, parent, 1));
  }
  return planned;
}

/**
 * The tree that a mailbox has by default: nested four deep, with a slash in a name, two folders of one name, an emoji,
 * hidden folders, sometimes a search folder, and not the same well-known folders in every mailbox.
 */
export function variedPlan(mailbox: number, locale: Locale): PlannedFolder[] {
  const root = { parent: 'msgfolderroot' };
  const absent = new Set<WellKnownName>();
  if (mailbox % 5 === 4) absent.add('archive');
  if (mailbox % 3 === 2) absent.add('conversationhistory');
  const planned = [
    ...roots(locale),
    wellKnown('recoverableitemsdeletions', locale, { extra: 4 }),
    ...STANDARD.filter(([name]) => !absent.has(name)).map(([name, flavour, weight]) =>
      wellKnown(name, locale, { ...root, flavour, weight }),
    ),
    own('projects', 'Projects', 'inbox', 6),
    own('year', '2026', 'projects', 4),
    own('quarter', 'Q1', 'year', 2),
    own('customers', 'Customers', 'inbox', 5),
    own('slash', 'Invoices/Receipts', 'msgfolderroot', 2),
    own('reports', 'Reports', 'msgfolderroot', 2),
    own('reports2', 'Reports', 'msgfolderroot', 1),
    own('emoji', '⚓ 港', 'msgfolderroot', 1),
    { ...own('steps', 'Quick Step Settings', 'msgfolderroot', 0), isHidden: true, extra: 2 },
    { ...own('actions', 'Conversation Action Settings', 'msgfolderroot', 0), isHidden: true, extra: 1 },
    wellKnown('syncissues', locale, root),
    wellKnown('conflicts', locale, { parent: 'syncissues' }),
    wellKnown('localfailures', locale, { parent: 'syncissues' }),
    wellKnown('serverfailures', locale, { parent: 'syncissues' }),
  ];
  if (mailbox % 4 === 0) planned.push(wellKnown('clutter', locale, { ...root, isHidden: true }));
  if (mailbox % 7 === 6) planned.push(wellKnown('scheduled', locale, root));
  if (mailbox % 2 === 0) planned.push({ ...own('digest', 'Weekly digest', 'msgfolderroot', 0), searchOf: 'inbox' });
  return planned;
}
