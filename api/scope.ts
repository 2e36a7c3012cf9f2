import type { Database } from '../store/database.ts';
import { scanOf, type Scan } from '../store/scans.ts';
import { scansNamed } from '../store/scan-list.ts';
import { badRequest, notFound } from './errors.ts';
import type { Principal } from './principal.ts';

/**
 * The organization that a call is about: the key's own, or the one that an administrator names; null when an
 * administrator names none.
 * @throws {HttpError} 404 when a key names another organization than its own.
 */
export function organizationFor(principal: Principal, named: string | undefined): string | null {
  if (principal.organizationId !== null && named !== undefined && named !== principal.organizationId) {
    throw notFound(`Organization ${named} is not known`);
  }
  return principal.organizationId ?? named ?? null;
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
  const owner = organizationFor(principal, organizationId);
  const scans = owner === null ? await scansNamed(db, scanId) : [await scanOf(db, owner, scanId)];
  if (scans.length > 1) {
    throw badRequest([{ path: 'organizationId', message: `several organizations have a scan ${scanId}: name one` }]);
  }
  const [scan] = scans;
  if (!scan) throw notFound(`Scan ${scanId} is not known`);
  return scan;
}
