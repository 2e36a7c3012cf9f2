import type { Cloud } from '../model/connection.ts';
import { isLoopback } from '../model/loopback.ts';

/**
 * Microsoft's clouds and their hosts.
 * Source: https://learn.microsoft.com/graph/deployments
 */
export const CLOUD_HOSTS: Readonly<Record<Cloud, { readonly login: string; readonly graph: string }>> = {
  global: { login: 'login.microsoftonline.com', graph: 'graph.microsoft.com' },
  'gcc-high': { login: 'login.microsoftonline.us', graph: 'graph.microsoft.us' },
  dod: { login: 'login.microsoftonline.us', graph: 'dod-graph.microsoft.us' },
  china: { login: 'login.chinacloudapi.cn', graph: 'microsoftgraph.chinacloudapi.cn' },
};

const LOGIN_HOSTS = new Set(Object.values(CLOUD_HOSTS).map((hosts) => hosts.login));
const GRAPH_HOSTS = new Set(Object.values(CLOUD_HOSTS).map((hosts) => hosts.graph));

/** Where a connection finds Microsoft Entra and Microsoft Graph. */
export interface Endpoints {
  /** Scheme, host and port of Graph; no token goes anywhere else. */
  readonly graphOrigin: string;
  /** What comes before `/users` in a path, such as `/v1.0`. */
  readonly graphPrefix: string;
  /** Base of the login service, without the tenant and without a slash at the end. */
  readonly authorityUrl: string;
  /** Whether the login host is one of Microsoft's, which msal-node knows by heart. */
  readonly authorityKnown: boolean;
  /** The scope of a token for this Graph. */
  readonly scope: string;
}

/**
 * The endpoints of a cloud, with URLs of one's own in their place where given.
 * @param graphUrl with or without `/v1.0` at the end
 * @throws TypeError for what is no http(s) URL, and for plain http to any host but this machine
 */
export function endpointsOf(cloud: Cloud, graphUrl?: string, authorityUrl?: string): Endpoints {
  const hosts = CLOUD_HOSTS[cloud];
  const graph = checkedUrl(graphUrl ?? `https://${hosts.graph}`, 'graphUrl');
  const authority = checkedUrl(authorityUrl ?? `https://${hosts.login}`, 'authorityUrl');
  const path = graph.pathname.replace(/\/+$/, '');
  return {
    graphOrigin: graph.origin,
    graphPrefix: path.endsWith('/v1.0') ? path : `${path}/v1.0`,
    authorityUrl: authority.origin + authority.pathname.replace(/\/+$/, ''),
    authorityKnown: LOGIN_HOSTS.has(authority.host),
    scope: `https://${GRAPH_HOSTS.has(graph.host) ? graph.host : hosts.graph}/.default`,
  };
}

function checkedUrl(text: string, option: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    throw new TypeError(`${option} must be an http or https URL`);
  }
  if (url.username !== '' || url.password !== '') throw new TypeError(`${option} must not hold a user or a password`);
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new TypeError(
      `${option} must use https: plain http is accepted on this machine only (localhost, 127.0.0.1, ::1)`,
    );
  }
  return url;
}
