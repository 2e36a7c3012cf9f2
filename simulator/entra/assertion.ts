import { constants, createHash, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { entraFaults } from './entra-fault.ts';

/** A registered public key, with the thumbprints of its certificate where it came in one. */
export interface RegisteredKey {
  key: KeyObject;
  sha1: string | undefined;
  sha256: string | undefined;
  /** The end of the certificate, in milliseconds since 1970; Infinity for a bare key. */
  expires: number;
}

/** Reads the PEM of a certificate or of a bare public key. */
export function registeredKey(pem: string): RegisteredKey {
  if (!pem.includes('BEGIN CERTIFICATE'))
    return { key: createPublicKey(pem), sha1: undefined, sha256: undefined, expires: Infinity };
  const certificate = new X509Certificate(pem);
  const thumbprint = (algorithm: string) => createHash(algorithm).update(certificate.raw).digest('base64url');
  const expires = Date.parse(certificate.validTo);
  return { key: certificate.publicKey, sha1: thumbprint('sha1'), sha256: thumbprint('sha256'), expires };
}

interface Assertion {
  header: { alg?: string; x5t?: string; 'x5t#S256'?: string };
  claims: { aud?: string; iss?: string; sub?: string; exp?: number; nbf?: number };
  signed: string;
  signature: Buffer;
}

/**
 * Checks a client assertion: PS256 with `x5t#S256` or RS256 with `x5t`, issued by and for the client, for this token
 * endpoint, still valid.
 *
 * @throws EntraFault 700027 with the reason.
 */
export function checkAssertion(text: string, registered: RegisteredKey | undefined, clientId: string): void {
  const { header, claims, signed, signature } = readAssertion(text);
  if (!registered) throw entraFaults.badAssertion('The key was not found.');
  const [named, own] = header.alg === 'PS256' ? [header['x5t#S256'], registered.sha256] : [header.x5t, registered.sha1];
  if (own !== undefined && named !== own) throw entraFaults.badAssertion('The key was not found.');
  if (header.alg !== 'PS256' && header.alg !== 'RS256')
    throw entraFaults.badAssertion('The algorithm is not supported.');
  const padding =
    header.alg === 'PS256'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : { padding: constants.RSA_PKCS1_PADDING };
  if (!verify('sha256', Buffer.from(signed), { key: registered.key, ...padding }, signature)) {
    throw entraFaults.badAssertion('The key was found, but the signature is wrong.');
  }
  if (registered.expires <= Date.now()) throw entraFaults.badAssertion('The key used is expired.');
  const now = Date.now() / 1000;
  if (claims.iss !== clientId || claims.sub !== clientId)
    throw entraFaults.badAssertion('Issuer or subject is not the client.');
  if (!claims.aud?.includes('/oauth2/v2.0/token'))
    throw entraFaults.badAssertion('The audience is not the token endpoint.');
  if ((claims.exp ?? 0) < now || (claims.nbf ?? 0) > now + 300)
    throw entraFaults.badAssertion('It is not within its valid time range.');
}

function readAssertion(text: string): Assertion {
  const [header, claims, signature] = text.split('.');
  try {
    return {
      header: JSON.parse(Buffer.from(header ?? '', 'base64url').toString()) as Assertion['header'],
      claims: JSON.parse(Buffer.from(claims ?? '', 'base64url').toString()) as Assertion['claims'],
      signed: `${header}.${claims}`,
      signature: Buffer.from(signature ?? '', 'base64url'),
    };
  } catch {
    throw entraFaults.badAssertion('It is malformed.');
  }
}
