import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.ts';
import type { Logger } from '../config/logging.ts';
import { withDefaults, type DestinationKind, type DestinationSecret, type KindSettings } from '../model/destination.ts';
import type { DestinationFilters } from '../model/destination-filters.ts';
import { recordAudit } from '../store/audit.ts';
import type { Database } from '../store/database.ts';
import { changeDestination, createDestination, listDestinations, type Destination } from '../store/destinations.ts';
import { DestinationExists } from '../store/errors.ts';
import { ensureOrganization, listOrganizations, organizationOf, type Organization } from '../store/organizations.ts';
import { storedSecret } from './destination-change.ts';
import { HttpError } from './errors.ts';
import { isAdministrator, type Principal } from './principal.ts';

/** What the destinations that the environment describes are called. */
export const ENVIRONMENT_NAMES = { redis_list: 'redis-queue', folder: 'attachments-folder' } as const;

/**
 * Refuses these names to all but administrators, and to these for another kind: what has one of them is given the address,
 * and the password, that the environment names.
 * @throws {HttpError} 403 or 422
 */
export function refuseEnvironmentNames(
  principal: Principal,
  { name, kind }: { readonly name: string; readonly kind: DestinationKind },
): void {
  const [itsKind] = Object.entries(ENVIRONMENT_NAMES).find(([, kept]) => kept === name) ?? [];
  if (itsKind === undefined) return;
  if (!isAdministrator(principal)) {
    const words = `Only an administrator's key may name a destination ${name}: the environment of the API may describe it`;
    throw new HttpError(403, `${words}; choose another name`);
  }
  if (kind === itsKind) return;
  const words = `Only a destination of kind ${itsKind} may be named ${name}: the environment of the API may describe it`;
  throw new HttpError(422, `${words}; choose another name`);
}

/** A destination as the environment describes it. */
type Described = KindSettings & { readonly name: string; readonly secret: DestinationSecret };

interface Parts {
  readonly db: Database;
  readonly config: Pick<Config, 'redis' | 'attachments'>;
  readonly log: Logger;
}

/** The destinations that the environment describes, which belong to the installation's one organization. */
export interface EnvironmentDestinations {
  /**
   * Makes them, or changes them to what the environment says now; once it has, it does nothing more. While there is no
   * organization it waits for the next call. Where there are several, only what one of them has already is changed; the
   * rest is warned of by name. What the environment describes no more stays as it is.
   */
  settle(): Promise<void>;
}

export function createEnvironmentDestinations(parts: Parts): EnvironmentDestinations {
  const described = describedBy(parts.config);
  let isSettled = described.length === 0;
  return {
    async settle() {
      if (isSettled) return;
      const organizations = await listOrganizations(parts.db);
      if (organizations.length === 0) return;
      for (const each of described) {
        // Another process that starts now may make it first.
        await settleOne(parts, organizations, each).catch((error: unknown) => {
          if (!(error instanceof DestinationExists)) throw error;
          return settleOne(parts, organizations, each);
        });
      }
      isSettled = true;
    },
  };
}

/** The organization, made at its first use; the first one gets what the environment describes. */
export async function foundOrganization(
  { db, environmentDestinations }: { readonly db: Database; readonly environmentDestinations: EnvironmentDestinations },
  organizationId: string,
): Promise<Organization> {
  const organization = await ensureOrganization(db, organizationId);
  await environmentDestinations.settle();
  return organization;
}

function describedBy({ redis, attachments }: Parts['config']): Described[] {
  const { emailGroups, fileTypes, maxAttachmentSize, directory } = attachments;
  const filters: DestinationFilters = {
    ...(emailGroups.length > 0 && { sender: emailGroups }),
    ...(fileTypes.length > 0 && { attachmentType: fileTypes }),
    ...(maxAttachmentSize !== undefined && { maxAttachmentBytes: maxAttachmentSize }),
  };
  const described: Described[] = [];
  if (redis) {
    const { url, username, password, queue: list, maxLength } = redis;
    // Whoever sets the environment decides where Redis is.
    const given = { url, ...(username !== undefined && { username }), list, maxLength, allowPrivate: true, filters };
    described.push({
      name: ENVIRONMENT_NAMES.redis_list,
      kind: 'redis_list',
      settings: withDefaults('redis_list', given),
      secret: password === undefined ? {} : { password },
    });
  }
  if (directory !== undefined) {
    described.push({
      name: ENVIRONMENT_NAMES.folder,
      kind: 'folder',
      settings: withDefaults('folder', { directory, filters }),
      secret: {},
    });
  }
  return described;
}

async function settleOne(
  { db, log }: Parts,
  organizations: readonly { readonly organizationId: string }[],
  described: Described,
): Promise<void> {
  const { name, kind } = described;
  const named = (await listDestinations(db, null)).filter((one) => one.name === name);
  const owner = named.find((one) => one.kind === kind);
  if (owner) {
    await change({ db, log }, owner, described);
    return;
  }
  const [only, another] = organizations;
  if (only === undefined || another !== undefined) {
    log.warn(
      { destination: name },
      `The environment describes the destination ${name}, and there are several organizations: have an administrator make one for that which is to have it, under this name`,
    );
    return;
  }
  const { organizationId } = only;
  if (named.some((one) => one.organizationId === organizationId)) {
    log.warn(
      { organizationId, destination: name },
      `The environment describes the destination ${name}, and another kind of destination has this name: have it renamed, and start the API again`,
    );
    return;
  }
  const { secret, ...settings } = described;
  const made = await createDestination(db, await organizationOf(db, organizationId), {
    ...settings,
    starts: 'now',
    ...(isDeepStrictEqual(secret, {}) ? {} : { secret }),
  });
  await note(db, made, 'destination.create');
  log.info({ organizationId, destinationId: made.id, destination: name }, 'Destination of the environment made');
}

/** What was set beside the environment, as the number of attempts, stays. */
async function change(
  { db, log }: Pick<Parts, 'db' | 'log'>,
  destination: Destination,
  described: Described,
): Promise<void> {
  const { id, organizationId, name } = destination;
  const settings = merged(destination.settings, described.settings);
  const before = await storedSecret(db, id);
  // What the key ring does not open is written anew.
  if (isDeepStrictEqual([settings, described.secret], [destination.settings, before])) return;
  const secret = isDeepStrictEqual(described.secret, {}) ? null : described.secret;
  await changeDestination(db, destination, { settings, secret });
  await note(db, destination, 'destination.change');
  log.info({ organizationId, destinationId: id, destination: name }, 'Destination changed as the environment was');
}

type Settings = KindSettings['settings'];
type Members = Readonly<Record<string, unknown>>;

/** The members that the environment decides, as it has them; it does without those that it does not have. */
const OF_ENVIRONMENT = {
  settings: ['url', 'username', 'list', 'maxLength', 'directory'],
  filters: ['sender', 'attachmentType', 'maxAttachmentBytes'],
} as const;

function merged(stored: Settings, described: Settings): Settings {
  const filters = overlaid({ ...stored.filters }, { ...described.filters }, OF_ENVIRONMENT.filters);
  return { ...overlaid({ ...stored }, { ...described }, OF_ENVIRONMENT.settings), filters } as object as Settings;
}

function overlaid(stored: Members, described: Members, names: readonly string[]): Members {
  const kept = Object.entries(stored).filter(([name]) => !names.includes(name));
  const taken = Object.entries(described).filter(([name]) => names.includes(name));
  return Object.fromEntries([...kept, ...taken]);
}

const note = (db: Database, { id, organizationId, name, kind }: Destination, action: string): Promise<void> =>
  recordAudit(db, { actor: 'environment', organizationId, action, target: id, details: { name, kind } });
