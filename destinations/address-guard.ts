import { lookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { addressKind, literalAddress } from '../model/addresses.ts';
import { DestinationUnavailable } from './sender.ts';

/** Which hosts a destination may be at. */
export interface AddressRule {
  /** Whether private and loopback addresses are allowed, too. Link-local and metadata addresses never are. */
  readonly allowPrivate: boolean;
}

/** @throws {DestinationUnavailable} `misconfigured`: the host is written as an address that is not allowed */
export function checkHost(hostname: string, rule: AddressRule): void {
  const address = literalAddress(hostname);
  const refusal = address === undefined ? undefined : refusalOf(address, rule);
  if (refusal !== undefined) throw refusal;
}

/**
 * For `net.connect`: names are looked up as always, and connected to only if every address is allowed. The socket takes
 * these answers and asks no more, so that no second answer of the name server can be another.
 */
export const guardedLookup =
  (rule: AddressRule): LookupFunction =>
  (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      const refusal =
        error ?? addresses.map(({ address }) => refusalOf(address, rule)).find((each) => each !== undefined);
      const [first] = addresses ?? [];
      if (refusal !== undefined) callback(refusal, []);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first?.address ?? '', first?.family ?? 0);
    });
  };

function refusalOf(address: string, { allowPrivate }: AddressRule): DestinationUnavailable | undefined {
  const kind = addressKind(address);
  if (kind === 'public' || (kind === 'private' && allowPrivate)) return undefined;
  return new DestinationUnavailable(
    'misconfigured',
    kind === 'private'
      ? 'The destination is at a private address, which is not allowed for it'
      : 'The destination is at a link-local, metadata or reserved address, which is never allowed',
  );
}
