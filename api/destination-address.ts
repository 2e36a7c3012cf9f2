import type { LookupAddress } from 'node:dns';
import { checkHost, guardedLookup } from '../destinations/address-guard.ts';
import { DestinationUnavailable } from '../destinations/sender.ts';
import { addressKind, literalAddress } from '../model/addresses.ts';
import type { KindSettings } from '../model/destination.ts';
import { HttpError, badRequest } from './errors.ts';
import { isAdministrator, type Principal } from './principal.ts';
import { within } from './within.ts';

/** Where a destination is, and in which field that stands. */
function placeOf({ kind, settings }: KindSettings): { readonly path: string; readonly url: string } | undefined {
  if (kind === 'folder') return undefined;
  return kind === 'redis_list'
    ? { path: 'settings.url', url: settings.url }
    : { path: 'settings.endpoint', url: settings.endpoint };
}

/** Ports that a URL need not name; of Redis, Node knows none. */
const USUAL_PORTS: Readonly<Record<string, string>> = { 'redis:': '6379', 'rediss:': '6379' };

/** Whether a destination is at another server after a change, or is reached otherwise: by scheme, host or port. */
export function isElsewhere(after: KindSettings, before: KindSettings): boolean {
  const [there, here] = [after, before].map((destination) => {
    const place = placeOf(destination);
    if (!place) return undefined;
    const { protocol, hostname, port } = new URL(place.url);
    return [protocol, hostname.toLowerCase(), port || USUAL_PORTS[protocol]].join(' ');
  });
  return there !== here;
}

const LOOKUP_MS = 3_000;

/**
 * Refuses a destination at an address that is not allowed, as far as that can be seen now. Whoever connects looks again.
 * @throws {HttpError} 400 where the URL shows it, 422 where the name leads to such an address
 */
export async function checkAddress(destination: KindSettings): Promise<void> {
  const place = placeOf(destination);
  if (!place || destination.kind === 'folder') return;
  const { allowPrivate } = destination.settings;
  const fault = (message: string) => badRequest([{ path: place.path, message }]);
  const { protocol, hostname } = new URL(place.url);
  if (protocol === 'http:' && !allowPrivate) throw fault(`must be https: http is for private addresses (${ALLOW})`);
  const literal = literalAddress(hostname);
  if (literal === undefined) return checkName(hostname, { allowPrivate, needsPrivate: protocol === 'http:' });
  if (protocol === 'http:' && addressKind(literal) === 'public') throw fault(PUBLIC);
  try {
    checkHost(hostname, { allowPrivate });
  } catch (error) {
    if (error instanceof DestinationUnavailable) throw fault(whatToDo(error));
    throw error;
  }
}

const ALLOW = 'an administrator may allow these with allowPrivate';
const PUBLIC = 'must be https: http is for private addresses, and this one is public';

const whatToDo = ({ message }: DestinationUnavailable): string =>
  message.includes('private') ? `${message}: ${ALLOW}` : `${message}: give its public address`;

/** A name that leads nowhere, or not in time, may do so later. */
async function checkName(
  hostname: string,
  { allowPrivate, needsPrivate }: { readonly allowPrivate: boolean; readonly needsPrivate: boolean },
): Promise<void> {
  const addresses = await within(LOOKUP_MS, lookUp(hostname, allowPrivate), () => new Error('late')).catch(
    (error: unknown) => {
      if (!(error instanceof DestinationUnavailable)) return [];
      throw new HttpError(422, whatToDo(error), { cause: error });
    },
  );
  if (needsPrivate && addresses.some((address) => addressKind(address) === 'public')) {
    throw new HttpError(422, `The URL ${PUBLIC}`);
  }
}

const lookUp = (hostname: string, allowPrivate: boolean): Promise<string[]> =>
  new Promise((resolve, reject) => {
    guardedLookup({ allowPrivate })(hostname, { all: true }, (error, found) => {
      if (error) reject(error);
      else resolve((found as LookupAddress[]).map(({ address }) => address));
    });
  });

/**
 * What reaches into the operator's own machines and network is for administrators: folders, and private addresses.
 * @param before how the destination was, where it is changed
 * @throws {HttpError} 403
 */
export function refuseOperators(principal: Principal, after: KindSettings, before?: KindSettings): void {
  if (isAdministrator(principal)) return;
  if (after.kind === 'folder') {
    if (before?.kind === 'folder' && before.settings.directory === after.settings.directory) return;
    throw new HttpError(403, "Only an administrator's key may say into which folder of the workers files are written");
  }
  if (!after.settings.allowPrivate) return;
  const stays = before && before.kind !== 'folder' && before.settings.allowPrivate;
  if (stays && placeOf(before)?.url === placeOf(after)?.url) return;
  throw new HttpError(403, "Only an administrator's key may have mail sent to private addresses (allowPrivate)");
}
