import type { Contact } from './contact.ts';

/** The columns of the table in Airtable, by what stands in them. */
export interface ContactColumns {
  readonly email: string;
  readonly domain: string;
  readonly totalMailsSent: string;
  readonly lastInteractedDate: string;
}

export const CONTACT_COLUMNS: ContactColumns = {
  email: 'Email',
  domain: 'Domain',
  totalMailsSent: 'Total Mails Sent',
  lastInteractedDate: 'Last Interacted Date',
};

/** A table of a base in Airtable, and the token to use it with. */
export interface AirtableTarget {
  readonly apiKey: string;
  readonly baseId: string;
  /** Its name or id. */
  readonly tableName: string;
}

/** Why a sync was begun. */
export type SyncCause = 'call' | 'schedule' | 'change';
export type SyncStatus = 'pending' | 'running' | 'completed' | 'failed';

/** What a sync has come to, or would have. */
export interface SyncCounts {
  /** Recipients. */
  readonly contacts: number;
  /** Records that Airtable has. */
  readonly records: number;
  readonly added: number;
  readonly changed: number;
  readonly unchanged: number;
  /** Records left alone because an older one has the same address. */
  readonly duplicates: number;
  /** Requests to Airtable that read, and that write. */
  readonly reads: number;
  readonly writes: number;
}

/** How a sync goes on, for whoever watches. */
export interface SyncProgress {
  readonly phase: 'counting' | 'waiting' | 'reading' | 'writing' | 'completed' | 'failed';
  /** For people. */
  readonly message: string;
  /** Mails counted, records read, or recipients compared. */
  readonly done: number;
  /** Of so many, where that is known. */
  readonly total: number | null;
  /** Once it has ended well. */
  readonly counts?: SyncCounts;
}

/** Values of a record, by what stands in them; only those that are given are written. */
export type ContactFields = Partial<Omit<Contact, 'address'>> & { readonly email?: string };

/** What a sync writes of a recipient. */
export interface ContactDifference {
  readonly change: 'new' | 'changed';
  readonly address: string;
  /** As Airtable has those that change; null for a new one. */
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: ContactFields;
}

/** What Airtable has of a recipient; a member that is empty there is absent. */
export type KnownFields = Readonly<
  Partial<Record<'email' | 'domain' | 'totalMailsSent' | 'lastInteractedDate', unknown>>
>;

/**
 * What has to be written so that Airtable says of a recipient what we know; undefined: nothing. Of a record that is there
 * only what differs: a date is compared by the day where Airtable keeps days, and numbers as numbers whatever the column.
 * @param days whether the table keeps days, without the time
 */
export function differenceOf(
  contact: Contact,
  known: KnownFields | undefined,
  days: boolean,
): ContactDifference | undefined {
  const { address, domain, totalMailsSent } = contact;
  const lastInteractedDate = contact.lastInteractedDate && dateFor(contact.lastInteractedDate, days);
  const date = lastInteractedDate === null ? {} : { lastInteractedDate };
  if (!known) {
    return { change: 'new', address, before: null, after: { email: address, domain, totalMailsSent, ...date } };
  }
  const after = {
    ...(textOf(known.domain).toLowerCase() !== domain && { domain }),
    ...(!isNumber(known.totalMailsSent, totalMailsSent) && { totalMailsSent }),
    ...(lastInteractedDate !== null && !isSameTime(known.lastInteractedDate, lastInteractedDate) && date),
  };
  const members = Object.keys(after) as (keyof typeof after)[];
  if (members.length === 0) return undefined;
  const before = Object.fromEntries(members.map((member) => [member, known[member] ?? null]));
  return { change: 'changed', address, before, after };
}

const DAY = /^\d{4}-\d\d-\d\d$/;

/** Whether a value is a date without a time. */
export const isDay = (value: unknown): boolean => typeof value === 'string' && DAY.test(value);

const dateFor = (time: string, days: boolean): string => {
  const instant = new Date(time).toISOString();
  return days ? instant.slice(0, 10) : instant;
};

const textOf = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');

const isNumber = (value: unknown, number: number): boolean =>
  typeof value === 'number' ? value === number : textOf(value) !== '' && Number(value) === number;

function isSameTime(value: unknown, time: string): boolean {
  if (typeof value !== 'string') return false;
  if (isDay(value)) return value === time.slice(0, 10);
  return Math.floor(Date.parse(value) / 1000) === Math.floor(Date.parse(time) / 1000);
}
