import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCredential } from '../../cli/credential.ts';
import { fakeCli } from './fake-cli.ts';

const ids = { tenant: 'contoso.example', clientId: '11111111-2222' };
const named = { tenantId: 'contoso.example', clientId: '11111111-2222' };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(content: string): Promise<string> {
  const path = join(folder, `secret-${Math.random()}`);
  await writeFile(path, content);
  return path;
}

describe('the app registration of a scan', () => {
  it('is left to the API where nothing names one', async () => {
    expect(await readCredential(fakeCli({ env: { CLIENT_SECRET: 's' } }), {})).toBeUndefined();
  });

  it.each([
    [{ CLIENT_SECRET: 'from-env' }],
    [{ AZURE_CLIENT_SECRET: 'from-env' }],
    [{ CLIENT_SECRET: 'from-env', AZURE_CLIENT_SECRET: 'other' }],
  ])('takes its secret from the environment (%j)', async (env) => {
    expect(await readCredential(fakeCli({ env }), ids)).toEqual({ ...named, clientSecret: 'from-env' });
  });

  it('is wholly in the environment, where the options do not name it', async () => {
    const env = { AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_CLIENT_SECRET: 's' };
    expect(await readCredential(fakeCli({ env }), {})).toEqual({ tenantId: 't', clientId: 'c', clientSecret: 's' });
    expect(await readCredential(fakeCli({ env }), { tenant: 'mine' })).toMatchObject({ tenantId: 'mine' });
  });

  it.each(['from-file', 'from-file\n', 'from-file\r\n'])('takes its secret from a file (%j)', async (content) => {
    const clientSecretFile = await file(content);
    const cli = fakeCli({ env: { CLIENT_SECRET: 'from-env' } });
    expect(await readCredential(cli, { ...ids, clientSecretFile })).toEqual({ ...named, clientSecret: 'from-file' });
  });

  it('takes its secret from standard input', async () => {
    const cli = fakeCli({ stdin: 'päss wörd\n' });
    expect(await readCredential(cli, { ...ids, clientSecretFile: '-' })).toMatchObject({ clientSecret: 'päss wörd' });
  });

  it('may be proved with a certificate', async () => {
    const certificate = await file('-----BEGIN CERTIFICATE-----');
    expect(await readCredential(fakeCli(), { ...ids, certificate })).toEqual({
      ...named,
      clientCertificate: '-----BEGIN CERTIFICATE-----',
    });
  });

  it.each([
    ['no tenant', { clientId: 'c' }, 'tenant is missing'],
    ['no application', { tenant: 't' }, 'application is missing'],
    ['no secret and nobody to ask', ids, 'client secret is missing'],
    ['two proofs', { ...ids, certificate: 'a', clientSecretFile: 'b' }, 'secret and a certificate'],
    ['empty standard input', { ...ids, clientSecretFile: '-' }, 'it is empty'],
  ])('is refused with %s', async (_what, options, why) => {
    await expect(readCredential(fakeCli(), options)).rejects.toThrow(why);
  });

  it('is refused where the file holds more than the secret, without repeating it', async () => {
    const clientSecretFile = await file('CLIENT_SECRET=hunter2\nTENANT=x\n');
    const error = await readCredential(fakeCli(), { ...ids, clientSecretFile }).catch((caught: Error) => caught);
    expect(error).toMatchObject({ exitCode: 2, message: expect.stringContaining('several lines') as string });
    expect(JSON.stringify(error)).not.toContain('hunter2');
  });
});
