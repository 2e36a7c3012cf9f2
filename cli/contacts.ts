import { setTimeout as pause } from 'node:timers/promises';
import type { ApiClient } from './api-client.ts';
import type { Cli } from './cli.ts';
import type { ContactEntry, ContactSettingsEntry, ContactSyncAnswer, ContactSyncEntry } from './contacts-client.ts';
import { EXIT } from './exit-codes.ts';
import { safeJson, safeLine } from './text/safe-text.ts';
import { renderTable } from './text/table.ts';

/** Contacts asked for at a time. */
const PAGE = 1_000;
const TABLE_ROWS = 50;
const LOOK_MS = 500;

/** Prints contacts as a table or JSON lines. */
export async function printContacts(
  { out, notes }: Cli,
  api: ApiClient,
  { json = false, limit = json ? Number.POSITIVE_INFINITY : TABLE_ROWS }: { json?: boolean; limit?: number },
): Promise<void> {
  const shown: ContactEntry[] = [];
  for (let offset = 0; ;) {
    const page = await api.contacts({ limit: Math.min(PAGE, limit - offset), offset });
    offset += page.contacts.length;
    if (json) await out.write(page.contacts.map((contact) => `${safeJson(contact)}\n`).join(''));
    else shown.push(...page.contacts);
    if (page.pagination.hasMore && offset < limit && !out.isClosed) continue;
    if (!json && shown.length > 0) out.line(renderTable(COLUMNS, shown.map(rowOf), out));
    if (page.pagination.total === 0) notes.line('No sent mail has been counted.');
    else if (page.pagination.hasMore)
      notes.line(`${page.pagination.total} contacts; --limit shows more, --json prints all.`);
    if (!page.complete) notes.line('Sent mail is still being counted: ask again.');
    return;
  }
}

const COLUMNS = [
  { title: 'ADDRESS' },
  { title: 'DOMAIN' },
  { title: 'MAILS', align: 'right' },
  { title: 'LAST' },
] as const;

const rowOf = ({ address, domain, totalMailsSent, lastInteractedDate }: ContactEntry) => [
  address,
  domain,
  totalMailsSent,
  lastInteractedDate,
];

/** Waits for the end of a sync; says how it goes on, and what it has come to. */
export async function followSync(
  { out, notes, interrupts, ...cli }: Cli,
  api: ApiClient,
  syncId: string,
  { json = false }: { json?: boolean },
): Promise<number> {
  for (let status = ''; ; await pause(LOOK_MS, undefined, { signal: interrupts.signal })) {
    const answer = await api.contactSync(syncId);
    const { sync } = answer;
    if (sync.endedAt === null) {
      if (sync.status !== status) notes.line(sync.status === 'pending' ? 'It waits for its turn.' : 'It runs.');
      status = sync.status;
      continue;
    }
    if (json) out.line(safeJson(answer));
    else printEnd({ out, notes, interrupts, ...cli }, answer);
    return sync.status === 'completed' ? EXIT.ok : EXIT.failure;
  }
}

function printEnd({ out, notes }: Cli, { sync, differences }: ContactSyncAnswer): void {
  if (sync.status === 'failed') {
    notes.line(`The sync has failed: ${safeLine(sync.reason ?? 'nobody knows why')}`);
    return;
  }
  for (const { change, address, before, after } of differences) {
    if (change === 'new') out.line(safeLine(`+ ${address}  ${pairs(after)}`));
    else out.line(safeLine(`~ ${address}  ${changesOf(before ?? {}, after)}`));
  }
  const { counts, dryRun } = sync;
  if (!counts) return;
  const { added, changed, unchanged, reads, writes, duplicates } = counts;
  const more = added + changed - differences.length;
  if (dryRun && more > 0) notes.line(`… and ${more} more.`);
  const requests = dryRun ? 'nothing was written' : `${reads} reads and ${writes} writes`;
  notes.line(`${added} new, ${changed} changed, ${unchanged} unchanged; ${requests}.`);
  if (duplicates > 0) notes.line(`${duplicates} records were left alone: an older one has the same address.`);
}

type Fields = Readonly<Record<string, unknown>>;

const pairs = ({ email: _, ...fields }: Fields): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}: ${told(value)}`)
    .join(', ');

const changesOf = (before: Fields, after: Fields): string =>
  Object.entries(after)
    .map(([name, value]) => `${name}: ${told(before[name])} → ${told(value)}`)
    .join(', ');

const told = (value: unknown): string => {
  if (value === null || value === undefined) return 'nothing';
  return typeof value === 'string' ? value : JSON.stringify(value);
};

/** Prints the latest syncs, the newest first. */
export function printSyncs({ out, notes }: Cli, syncs: readonly ContactSyncEntry[]): void {
  if (syncs.length === 0) {
    notes.line('No sync of contacts has been asked for.');
    return;
  }
  const columns = ['REQUESTED', 'BY', 'STATUS', 'NEW', 'CHANGED', 'UNCHANGED', 'WHY'].map((title) => ({ title }));
  const rows = syncs.map(({ requestedAt, startedBy, dryRun, status, counts, reason }) => [
    requestedAt,
    dryRun ? `${startedBy}, dry run` : startedBy,
    status,
    counts?.added,
    counts?.changed,
    counts?.unchanged,
    reason,
  ]);
  out.line(renderTable(columns, rows, out));
}

/** Prints the settings of contacts, one a line. */
export function printSettings({ out }: Cli, settings: ContactSettingsEntry): void {
  const { airtable, source, columns, mailboxes, onChange, everySeconds } = settings;
  const where = source === 'environment' ? ' (from the environment)' : '';
  const lines = [
    ['Airtable', airtable ? `table ${airtable.tableName} of base ${airtable.baseId}${where}` : 'none'],
    ['Columns', Object.values(columns).join(', ')],
    ['Mailboxes', mailboxes?.join(', ') ?? 'MAILBOX_ADDRESS, or all'],
    ['On change', onChange ? 'yes, once a sync has completed' : 'no'],
    ['Schedule', everySeconds === null ? 'none' : `every ${everySeconds} s`],
  ];
  for (const [name, value] of lines) out.line(safeLine(`${`${name}:`.padEnd(11)} ${value}`));
}
