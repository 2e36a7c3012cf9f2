import { BlockList, isIP } from 'node:net';

/**
 * Who may be behind an IP address: `public`, anyone; `private`, this machine or its network; `forbidden`, the machine's
 * own management (link-local, cloud metadata) or nobody (multicast, reserved).
 */
export type AddressKind = 'public' | 'private' | 'forbidden';

const FORBIDDEN = rangesOf([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Metadata and management of Azure, Alibaba Cloud and Oracle Cloud, outside the link-local range.
  '168.63.129.16/32',
  '100.100.100.200/32',
  '192.0.0.192/32',
  '::/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  // Ways to say an IPv4 address that somebody on the way may unwrap: NAT64, 6to4, Teredo.
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2002::/16',
  '2001::/32',
]);
// The oldest of these ways, `::a.b.c.d`; `::1` is this machine.
FORBIDDEN.addRange('::2', '::ffff:ffff', 'ipv6');

const PRIVATE = rangesOf([
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '::1/128',
  'fc00::/7',
  '2001:db8::/32',
]);

/**
 * Of an IP address as text, with a zone or without; an IPv4 address within an IPv6 one (`::ffff:a.b.c.d`) counts as
 * itself. What is no address is `forbidden`.
 */
export function addressKind(address: string): AddressKind {
  const plain = address.replace(/%.*$/, '');
  const family = isIP(plain);
  if (family === 0) return 'forbidden';
  const type = family === 4 ? 'ipv4' : 'ipv6';
  if (FORBIDDEN.check(plain, type)) return 'forbidden';
  return PRIVATE.check(plain, type) ? 'private' : 'public';
}

/** The IP address that a URL's `hostname` is, without brackets; undefined where it is a name. */
export function literalAddress(hostname: string): string | undefined {
  const plain = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(plain) === 0 ? undefined : plain;
}

function rangesOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = '', bits] = range.split('/');
    list.addSubnet(network, Number(bits), network.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}
