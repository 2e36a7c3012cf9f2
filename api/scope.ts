import type { Database } from '../store/database.ts';
import { listOrganizations, organizationOf, type Organization } from '../store/organizations.ts';
import { scanOf, type Scan } from '../store/scans.ts';
import { scansNamed } from '../store/scan-list.ts';
import { badRequest, notFound } from './errors.ts';
import type { ApiParts } from './parts.ts';
import { isAdministrator, type Principal } from './principal.ts';

/**
 * Holds a key to its own organization.
 * @throws {HttpError} 404 when it names another
 */
export function refuseForeign(principal: Principal, named: string | undefined): void {
  if (principal.organizationId !== null && named !== undefined && named !== principal.organizationId) {
    throw notFound(`Organization ${named} is not known`);
  }
}

/**
 * The organization that a call is about: the key's own, or the one that an administrator names; null when an
 * administrator names none, and so means all.
 * @throws {HttpError} 404 when a key names another organization than its own
 * @throws {UnknownOrganization}
 */
export async function organizationFor(
  db: Database,
  principal: Principal,
  named: string | undefined,
): Promise<string | null> {
  refuseForeign(principal, named);
  if (principal.organizationId !== null) return principal.organizationId;
  return named === undefined ? null : (await organizationOf(db, named)).organizationId;
}

/**
 * The organization that an administrator means who names none: the only one there is.
 * @throws {HttpError} 400 when there are several, 404 when there is none
 */
export async function oneOrganization(db: Database): Promise<string> {
  const [only, another] = await listOrganizations(db);
  if (!only) throw notFound('There is no organization yet');
  if (another) throw badRequest([{ path: 'organizationId', message: 'there are several organizations: name one' }]);
  return only.organizationId;
}

/**
 * The one organization that a path without any is about: the key's own, the one that an administrator names, or the only
 * one there is.
 * @throws {HttpError} 400 when an administrator leaves open which of several, 404 when there is none
 * @throws {UnknownOrganization}
 */
export async function organizationMeant(
  db: Database,
  principal: Principal,
  named: string | undefined,
): Promise<Organization> {
  const organizationId = (await organizationFor(db, principal, named)) ?? (await oneOrganization(db));
  return organizationOf(db, organizationId);
}

/** What an organization is called that somebody starts something for without naming it. */
const FIRST = 'default';

/**
 * The same for what may be the first thing that is ever started: where the environment names a connection, an
 * administrator may name an organization that is not there yet, and the first one needs no name.
 */
export async function organizationToStart(
  { db, config }: Pick<ApiParts, 'db' | 'config'>,
  principal: Principal,
  named: string | undefined,
): Promise<string> {
  if (isAdministrator(principal) && config.connection) {
    if (named !== undefined) return named;
    if ((await listOrganizations(db)).length === 0) return FIRST;
  }
  return (await organizationMeant(db, principal, named)).organizationId;
}

/**
 * The scan that a path names, as the caller may see it.
 * @throws {HttpError} 404 when there is none, 400 when an administrator leaves open which organization's it is.
 */
export async function findScan(
  db: Database,
  principal: Principal,
  { scanId, organizationId }: { scanId: string; organizationId: string | undefined },
): Promise<Scan> {
  const owner = await organizationFor(db, principal, organizationId);
  const scans = owner === null ? await scansNamed(db, scanId) : [await scanOf(db, owner, scanId)];
  if (scans.length > 1) {
    throw badRequest([{ path: 'organizationId', message: `several organizations have a scan ${scanId}: name one` }]);
  }
  const [scan] = scans;
  if (!scan) throw notFound(`Scan ${scanId} is not known`);
  return scan;
}
