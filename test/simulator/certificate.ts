import { createHash, createSign, generateKeyPairSync } from 'node:crypto';

/** A self-signed certificate, made for one test run. */
export interface TestCertificate {
  /** PEM. */
  certificate: string;
  privateKey: string;
  publicKey: string;
  /** Hexadecimal. */
  thumbprintSha256: string;
  thumbprintSha1: string;
}

const SEQUENCE = 0x30;
const SHA256_WITH_RSA = der(SEQUENCE, Buffer.from('06092a864886f70d01010b0500', 'hex'));

/** Makes a certificate of X.509 version 1: name, validity from 2025 to a year of this century, and key, nothing else. */
export function makeCertificate(lastYear = 45): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const name = der(
    SEQUENCE,
    der(0x31, der(SEQUENCE, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('simulator test')))),
  );
  const validity = der(
    SEQUENCE,
    der(0x17, Buffer.from('250101000000Z')),
    der(0x17, Buffer.from(`${lastYear}0201000000Z`)),
  );
  const key = publicKey.export({ type: 'spki', format: 'der' });
  const toSign = der(SEQUENCE, der(0x02, Buffer.from([1])), SHA256_WITH_RSA, name, validity, name, key);
  const signature = createSign('sha256').update(toSign).sign(privateKey);
  const raw = der(SEQUENCE, toSign, SHA256_WITH_RSA, der(0x03, Buffer.from([0]), signature));
  const thumbprint = (algorithm: string) => createHash(algorithm).update(raw).digest('hex').toUpperCase();
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${raw.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    thumbprintSha256: thumbprint('sha256'),
    thumbprintSha1: thumbprint('sha1'),
  };
}

/** One ASN.1 element. */
function der(tag: number, ...contents: Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const length =
    content.length < 128
      ? Buffer.from([content.length])
      : Buffer.from([0x82, content.length >> 8, content.length & 0xff]);
  return Buffer.concat([Buffer.from([tag]), length, content]);
}
