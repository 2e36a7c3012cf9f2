import { X509Certificate, createPrivateKey } from 'node:crypto';

/** Certificate and private key, PEM. */
export interface CertificateParts {
  readonly certificate: string;
  readonly privateKey: string;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/;
const PRIVATE_KEY = /-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----[\s\S]+?-----END \1-----/;

/** Takes the first certificate and the private key out of one PEM text, or the two texts as they are. */
export function splitCertificate(value: string | CertificateParts): CertificateParts {
  if (typeof value !== 'string') return value;
  return { certificate: CERTIFICATE.exec(value)?.[0] ?? '', privateKey: PRIVATE_KEY.exec(value)?.[0] ?? '' };
}

/** What is wrong with a certificate and its key, without repeating any of them; undefined when nothing is. */
export function certificateProblem({ certificate, privateKey }: CertificateParts): string | undefined {
  if (!CERTIFICATE.test(certificate)) return 'has no certificate (-----BEGIN CERTIFICATE-----)';
  if (!PRIVATE_KEY.test(privateKey)) return 'has no private key (-----BEGIN PRIVATE KEY-----)';
  if (privateKey.includes('ENCRYPTED')) return 'has an encrypted private key: decrypt it first, it is stored sealed';
  const parsed = attempt(() => new X509Certificate(certificate));
  if (!parsed) return 'has a certificate that cannot be read';
  const key = attempt(() => createPrivateKey(privateKey));
  if (!key) return 'has a private key that cannot be read';
  if (key.asymmetricKeyType !== 'rsa') return 'has a key that is not RSA, which Microsoft Entra requires';
  return parsed.checkPrivateKey(key) ? undefined : 'has a private key that does not belong to the certificate';
}

/** The parts as a connection keeps them: the key as PKCS #8. Call it with parts that have no problem. */
export function toCertificateCredential(value: string | CertificateParts): CertificateParts {
  const { certificate, privateKey } = splitCertificate(value);
  const key = createPrivateKey(privateKey).export({ type: 'pkcs8', format: 'pem' });
  return { certificate, privateKey: key.toString() };
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
