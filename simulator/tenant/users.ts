import type { JsonObject } from '../mail/bytes.ts';
import { localPart } from '../mail/people.ts';
import { guidFrom, hash, pick, seedFor } from '../mail/rng.ts';
import { GIVEN_NAMES, SURNAMES } from '../mail/vocabulary.ts';
import { type Locale, LOCALES } from './folder-plan.ts';
import type { TenantPlan, UserKind, UserSpec } from './options.ts';

/** A user of the tenant. */
export interface User {
  index: number;
  id: string;
  kind: UserKind;
  displayName: string;
  givenName: string | null;
  surname: string | null;
  userPrincipalName: string;
  mail: string | null;
  locale: Locale;
  /** Generated messages in the mailbox. */
  messages: number;
}

const READABLE: ReadonlySet<UserKind> = new Set(['user', 'shared', 'room', 'disabled']);

/** Whether the user has a mailbox that the application may read. */
export function isReadable(user: User): boolean {
  return READABLE.has(user.kind);
}

/** The users of a planned tenant: the readable ones first. `shares` is the number of messages of each of those. */
export function makeUsers(plan: TenantPlan, shares: readonly number[]): User[] {
  const seed = seedFor(plan.seed, 'users');
  const taken = new Set<string>();
  const users: User[] = [];
  const add = (spec: UserSpec, given: string | null, surname: string | null): void => {
    const index = users.length;
    const kind = spec.kind ?? 'user';
    const displayName = spec.displayName ?? `${given} ${surname}`;
    const local = uniqueLocalPart(
      given === null ? displayName.replaceAll(/\W+/g, '') : localPart(given, surname ?? ''),
      taken,
    );
    const address = kind === 'guest' ? `${local}@quay.example` : `${local}@${plan.domain}`;
    users.push({
      index,
      id: guidFrom(seed, index),
      kind,
      displayName,
      givenName: given,
      surname,
      userPrincipalName:
        spec.userPrincipalName ?? (kind === 'guest' ? `${address.replace('@', '_')}#EXT#@${plan.domain}` : address),
      mail: kind === 'unlicensed' ? null : (spec.userPrincipalName ?? address),
      locale: pick(LOCALES, index),
      messages: spec.messages ?? 0,
    });
  };
  const addPerson = (kind: UserKind, messages: number): void => {
    const index = users.length;
    add({ kind, messages }, pick(GIVEN_NAMES, hash(seed, index * 2)), pick(SURNAMES, hash(seed, index * 2 + 1)));
  };
  shares.forEach((messages, index) => {
    const kind = plan.specialUsers ? kindAt(index, shares.length) : 'user';
    if (kind === 'shared') add({ kind, displayName: 'Port Office', messages }, null, null);
    else if (kind === 'room') add({ kind, displayName: 'Room Lighthouse', messages }, null, null);
    else addPerson(kind, messages);
  });
  if (plan.specialUsers) for (const kind of ['guest', 'unlicensed', 'denied'] as const) addPerson(kind, 0);
  for (const spec of plan.users)
    add(
      spec,
      spec.displayName === undefined ? `Extra${users.length}` : null,
      spec.displayName === undefined ? 'User' : null,
    );
  return users;
}

/** The last mailboxes of a generated tenant are the special ones, as long as an ordinary one remains. */
function kindAt(index: number, count: number): UserKind {
  const fromEnd = count - 1 - index;
  if (index > 0 && fromEnd === 0) return 'shared';
  if (index > 0 && fromEnd === 1) return 'room';
  if (index > 0 && fromEnd === 2) return 'disabled';
  return 'user';
}

function uniqueLocalPart(wanted: string, taken: Set<string>): string {
  let local = wanted.toLowerCase();
  for (let number = 2; taken.has(local); number++) local = `${wanted.toLowerCase()}${number}`;
  taken.add(local);
  return local;
}

const EXCHANGE_PLAN = {
  assignedDateTime: '2024-01-15T08:00:00Z',
  capabilityStatus: 'Enabled',
  service: 'exchange',
  servicePlanId: 'efb87545-963c-4e0d-99df-69c6916d9eb0',
};

/** The properties that `/users` gives without `$select`. */
export const DEFAULT_USER_PROPERTIES: readonly string[] = [
  'businessPhones',
  'displayName',
  'givenName',
  'jobTitle',
  'mail',
  'mobilePhone',
  'officeLocation',
  'preferredLanguage',
  'surname',
  'userPrincipalName',
  'id',
];

/** Everything that the directory knows of a user. */
export function userProperties(user: User): JsonObject {
  const isGuest = user.kind === 'guest';
  const isLicensed = user.kind === 'user' || user.kind === 'denied';
  return {
    businessPhones: user.index % 3 === 0 ? [`+49 40 555 ${String(user.index).padStart(4, '0')}`] : [],
    displayName: user.displayName,
    givenName: user.givenName,
    jobTitle: user.index % 2 === 0 ? 'Clerk' : null,
    mail: user.mail,
    mobilePhone: null,
    officeLocation: user.index % 4 === 0 ? `Quay ${user.index % 9}` : null,
    preferredLanguage: isGuest ? null : user.locale,
    surname: user.surname,
    userPrincipalName: user.userPrincipalName,
    id: user.id,
    accountEnabled: !['shared', 'room', 'disabled'].includes(user.kind),
    assignedLicenses: isLicensed ? [{ disabledPlans: [], skuId: '6fd2c87f-b296-42f0-b197-1e91e994b900' }] : [],
    assignedPlans: isLicensed ? [EXCHANGE_PLAN] : [],
    companyName: null,
    createdDateTime: '2024-01-15T08:00:00Z',
    creationType: isGuest ? 'Invitation' : null,
    department: user.index % 2 === 0 ? 'Cargo' : 'Billing',
    mailNickname: user.userPrincipalName.replace(/[@#].*$/, ''),
    onPremisesSyncEnabled: null,
    otherMails: isGuest && user.mail !== null ? [user.mail] : [],
    proxyAddresses: user.mail === null ? [] : [`SMTP:${user.mail}`],
    showInAddressList: null,
    usageLocation: 'DE',
    userType: isGuest ? 'Guest' : 'Member',
  };
}
