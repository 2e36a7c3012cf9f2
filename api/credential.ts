import type { Credential } from '../model/connection.ts';
import { toCertificateCredential, type CertificateParts } from './client-certificate.ts';

/** What a request brings to sign in with; one of the two. */
interface Brought {
  readonly clientSecret?: string | undefined;
  readonly clientCertificate?: string | CertificateParts | undefined;
}

/** The credential as a connection keeps it. Call it with what the schemas have let through. */
export function toCredential({ clientSecret = '', clientCertificate }: Brought): Credential {
  if (clientCertificate === undefined) return { kind: 'secret', clientSecret };
  return { kind: 'certificate', ...toCertificateCredential(clientCertificate) };
}
