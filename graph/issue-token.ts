import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  AuthError,
  ConfidentialClientApplication,
  type INetworkModule,
  type NetworkRequestOptions,
  type NetworkResponse,
  type NodeAuthOptions,
} from '@azure/msal-node';
import type { Dispatcher } from 'undici';
import type { Connection } from '../model/connection.ts';
import { isLoopback } from '../model/loopback.ts';
import type { Endpoints } from './clouds.ts';
import { credentialError, emptyToken, entraErrorFrom, insecureEndpoint, malformedTenant } from './entra.ts';
import { exchangeError, GraphError, mayBeContent } from './errors.ts';
import { jsonOrNothing } from './json.ts';
import type { RequestReport } from './options.ts';
import { roundTrip } from './round-trip.ts';
import type { TokenIssuer } from './tokens.ts';
import { onAbort } from './waiting.ts';

const MAX_BODY_BYTES = 1024 * 1024;
/** How long a token is used whose answer does not say when it ends. */
const UNKNOWN_LIFE_MS = 60_000;

export interface IssuerOptions {
  /** Asked before each token. */
  readonly latest: () => Promise<Connection>;
  readonly endpoints: Endpoints;
  readonly dispatcher: Dispatcher;
  readonly timeoutMs: number;
  readonly report: (facts: RequestReport) => void;
}

/**
 * Asks Microsoft Entra for app-only tokens through msal-node, which writes the request, signs the certificate's
 * assertion and finds the token endpoint. The network client is ours, for three reasons: msal-node sets no deadline, it
 * refuses http even for this machine, and it hides what the server said about a failure (and would refuse the next
 * requests by itself after one). So msal-node sees successes only.
 */
export function tokenIssuer(options: IssuerOptions): TokenIssuer {
  return async (signal) => {
    const { endpoints, timeoutMs } = options;
    const connection = await options.latest();
    if (!/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i.test(connection.tenantId)) throw malformedTenant();
    const controller = new AbortController();
    const off = onAbort(signal, () => controller.abort(signal.reason));
    const timer = setTimeout(() => {
      const words = `Microsoft Entra did not answer within ${timeoutMs} ms`;
      controller.abort(exchangeError('Timeout', words, { kind: 'unavailable' }));
    }, timeoutMs);
    const network = new EntraNetwork(options, controller.signal);
    try {
      const client = new ConfidentialClientApplication({
        auth: { clientId: connection.clientId, ...authorityOf(connection, endpoints), ...credentialOf(connection) },
        system: { networkClient: network },
      });
      const issuedAt = Date.now();
      const result = await client.acquireTokenByClientCredential({ scopes: [endpoints.scope], skipCache: true });
      if (!result?.accessToken || !result.expiresOn) throw emptyToken(200);
      // msal-node takes an untold end for now, rounded to a second.
      const told = result.expiresOn.getTime();
      return {
        value: result.accessToken,
        issuedAt,
        expiresAt: told > issuedAt + 1_000 ? told : issuedAt + UNKNOWN_LIFE_MS,
      };
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : (network.failure ?? understood(error));
    } finally {
      clearTimeout(timer);
      off();
    }
  };
}

/** How msal-node finds the token endpoint: Microsoft's hosts it knows, this machine is told to it, others it asks. */
function authorityOf({ tenantId }: Connection, endpoints: Endpoints): Partial<NodeAuthOptions> {
  const url = new URL(`${endpoints.authorityUrl}/${tenantId}`);
  if (endpoints.authorityKnown) return { authority: url.href };
  if (url.protocol === 'https:') return { authority: url.href, knownAuthorities: [url.host] };
  const secure = `https://${url.host}${url.pathname}`;
  const authorityMetadata = JSON.stringify({
    issuer: `${secure}/v2.0`,
    authorization_endpoint: `${url.href}/oauth2/v2.0/authorize`,
    token_endpoint: `${url.href}/oauth2/v2.0/token`,
    jwks_uri: `${url.href}/discovery/v2.0/keys`,
  });
  return { authority: secure, knownAuthorities: [url.host], authorityMetadata };
}

function credentialOf({ credential }: Connection): Partial<NodeAuthOptions> {
  if (credential.kind === 'secret') {
    if (credential.clientSecret === '') throw credentialError('The client secret is empty.');
    return { clientSecret: credential.clientSecret };
  }
  try {
    const certificate = new X509Certificate(credential.certificate);
    const key = createPrivateKey(credential.privateKey);
    if (!certificate.checkPrivateKey(key)) throw new Error('The private key is not that of the certificate');
    const thumbprintSha256 = certificate.fingerprint256.replaceAll(':', '');
    const privateKey = key.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { clientCertificate: { thumbprintSha256, privateKey } };
  } catch (cause) {
    throw credentialError(
      'The certificate or its private key cannot be used. Both must be PEM, the key without a passphrase, and the key must belong to the certificate.',
      'InvalidCertificate',
      cause,
    );
  }
}

function understood(error: unknown): Error {
  if (error instanceof GraphError) return error;
  const code = error instanceof AuthError && error.errorCode !== '' ? error.errorCode : 'Unknown';
  return new GraphError(`No token could be had from Microsoft Entra (${code})`, { kind: 'unavailable', code });
}

/** What cut an answer of Entra short says nothing of the size of a page. */
function ofEntra(error: Error): Error {
  if (!(error instanceof GraphError) || !mayBeContent(error)) return error;
  return new GraphError(error.message, { ...error, kind: 'unavailable', cause: error });
}

/** The network client of one token: it remembers the failure that msal-node would replace by one of its own. */
class EntraNetwork implements INetworkModule {
  failure: Error | undefined;
  readonly #options: IssuerOptions;
  readonly #signal: AbortSignal;

  constructor(options: IssuerOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  sendGetRequestAsync<T>(url: string, options?: NetworkRequestOptions): Promise<NetworkResponse<T>> {
    return this.#send('GET', url, options);
  }

  sendPostRequestAsync<T>(url: string, options?: NetworkRequestOptions): Promise<NetworkResponse<T>> {
    return this.#send('POST', url, options);
  }

  async #send<T>(method: 'GET' | 'POST', url: string, sent?: NetworkRequestOptions): Promise<NetworkResponse<T>> {
    const startedAt = performance.now();
    let status: number | undefined;
    let size = 0;
    try {
      const { origin, protocol, hostname, pathname, search } = new URL(url);
      if (protocol !== 'https:' && !isLoopback(hostname)) throw insecureEndpoint();
      const { dispatcher } = this.#options;
      const headers = { ...sent?.headers };
      const request = { origin, path: pathname + search, method, headers, body: sent?.body };
      const answer = await roundTrip(dispatcher, { ...request, maxBodyBytes: MAX_BODY_BYTES, signal: this.#signal });
      ({ status } = answer);
      const bytes = await answer.takeBody();
      size = bytes.length;
      const body = jsonOrNothing(bytes.toString('utf8'));
      if (status < 200 || status > 299) throw entraErrorFrom({ status, headers: answer.headers, body });
      if (typeof body !== 'object' || body === null) throw emptyToken(status);
      return { status, headers: {}, body: body as T };
    } catch (error) {
      this.failure ??= ofEntra(error as Error);
      throw error;
    } finally {
      const code = this.failure instanceof GraphError && { code: this.failure.code };
      this.#options.report({ kind: 'token', status, ms: performance.now() - startedAt, bytes: size, ...code });
    }
  }
}
