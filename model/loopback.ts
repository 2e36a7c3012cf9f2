/**
 * Whether a host is this machine by definition, so that nobody can listen in: `localhost`, a name below it, an IPv4
 * address of 127.0.0.0/8, or `::1`, with the brackets of `URL.hostname` or without.
 */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' ||
  host.endsWith('.localhost') ||
  host === '::1' ||
  host === '[::1]' ||
  /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(host);
