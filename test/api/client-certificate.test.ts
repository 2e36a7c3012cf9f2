import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { certificateProblem, splitCertificate, toCertificateCredential } from '../../api/client-certificate.ts';

const pem = (name: string): string => readFileSync(new URL(`../graph/fixtures/${name}.pem`, import.meta.url), 'utf8');
const certificate = pem('certificate');
const privateKey = pem('key');
const rsaPkcs1 = createPrivateKey(privateKey).export({ type: 'pkcs1', format: 'pem' }).toString();
const encrypted = createPrivateKey(privateKey)
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
  .toString();
const legacyEncrypted = rsaPkcs1.replace(
  'KEY-----\n',
  'KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n',
);
const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();

/** With its first bytes turned into others. */
const damaged = (text: string): string => text.replace(/KEY-----\nM|CATE-----\nM/, (start) => `${start.slice(0, -1)}A`);

const problemOf = (value: Parameters<typeof splitCertificate>[0]) => certificateProblem(splitCertificate(value));

describe('a client certificate', () => {
  it.each([
    ['in one text, certificate first', certificate + privateKey],
    ['in one text, key first', privateKey + certificate],
    ['in one text, with remarks between', `Bag Attributes\n  name: x\n${certificate}\nKey Attributes\n${privateKey}`],
    ['in one text, with the authority behind it', certificate + certificate + privateKey],
    ['in two texts', { certificate, privateKey }],
    ['with a PKCS #1 key', { certificate, privateKey: rsaPkcs1 }],
  ])('is taken %s', (_how, value) => {
    expect(problemOf(value)).toBeUndefined();
    const credential = toCertificateCredential(value);
    expect(credential.certificate).toContain('BEGIN CERTIFICATE');
    expect(credential.privateKey).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  });

  it.each([
    ['an empty text', '', /no certificate/],
    ['a certificate alone', certificate, /no private key/],
    ['a key alone', privateKey, /no certificate/],
    ['a certificate that is damaged', damaged(certificate) + privateKey, /certificate that cannot be read/],
    ['a key that is damaged', certificate + damaged(privateKey), /private key that cannot be read/],
    ['the key of another', { certificate, privateKey: pem('other-key') }, /does not belong/],
    ['an encrypted key', { certificate, privateKey: encrypted }, /encrypted/],
    ['a key encrypted the old way', { certificate, privateKey: legacyEncrypted }, /encrypted/],
    ['a key that is not RSA', { certificate, privateKey: elliptic }, /not RSA/],
  ])('is refused with a reason when it is %s', (_what, value, reason) => {
    const problem = problemOf(value);
    expect(problem).toMatch(reason);
    expect(problem).not.toContain('MII');
  });
});
