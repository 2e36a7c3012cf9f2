import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { cacheDir } from '../../config/config.ts';
import { findTemporalBinary } from '../../embedded/index.ts';
import { createTemporalClient } from '../../temporal/connection.ts';
import { EncryptionCodec } from '../../temporal/codec.ts';
import { openApiStage, type ApiStage } from './support/stage.ts';

const UI = 'http://localhost:8233';
const SECRETIVE = 'what the payload says';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Payloads as Temporal stores them, in proto JSON. */
async function sealedPayloads(keys: string, ...values: unknown[]) {
  const codec = new EncryptionCodec(parseKeyRing(keys));
  const payloads = await codec.encode(
    values.map((value) => ({
      metadata: { encoding: Buffer.from('json/plain') },
      data: Buffer.from(JSON.stringify(value)),
    })),
  );
  return payloads.map(({ metadata, data }) => ({
    metadata: { encoding: Buffer.from(metadata?.['encoding'] ?? []).toString('base64') },
    data: Buffer.from(data ?? []).toString('base64'),
  }));
}

let stage: ApiStage;
let keys: string;
beforeAll(async () => {
  stage = await openApiStage({ environment: { TEMPORAL_UI_URL: UI } });
  keys = stage.environment['OUTHAUL_KEYS'] ?? '';
});
afterAll(() => stage.close());

interface Post {
  readonly body?: unknown;
  readonly path?: string;
  readonly headers?: Record<string, string>;
}

async function post({ body, path = '/codec/decode', headers = {} }: Post) {
  const response = await fetch(`${stage.api.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-namespace': 'default', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe('the codec endpoint', () => {
  it('decodes for an administrator, in order, and leaves alone what we have not sealed', async () => {
    const plain = { metadata: { encoding: base64('json/plain') }, data: base64('"in the clear"') };
    const [one, two] = await sealedPayloads(keys, SECRETIVE, { count: 2 });
    const { status, text, headers } = await post({
      path: '/codec/decode?preserveStorageRefs=true',
      body: { payloads: [one, plain, two, {}] },
      headers: bearer(stage.adminKey),
    });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    const json = base64('json/plain');
    expect(JSON.parse(text)).toEqual({
      payloads: [
        { metadata: { encoding: json }, data: base64(JSON.stringify(SECRETIVE)) },
        plain,
        { metadata: { encoding: json }, data: base64('{"count":2}') },
        {},
      ],
    });
  });

  it('tells nobody else: no key, a wrong one, an organization’s', async () => {
    const body = { payloads: await sealedPayloads(keys, SECRETIVE) };
    expect((await post({ body })).status).toBe(401);
    expect((await post({ body, headers: bearer('outhaul_1_wrong') })).status).toBe(401);
    const own = await post({ body, headers: bearer(await stage.keyOf(stage.organization())) });
    expect(own.status).toBe(403);
    expect(own.text).toContain('a payload does not say whose it is');
  });

  it('names the key that it lacks', async () => {
    const lost = generateKey();
    const body = { payloads: await sealedPayloads(lost, SECRETIVE) };
    const { status, text } = await post({ body, headers: bearer(stage.adminKey) });
    expect(status).toBe(422);
    expect(JSON.parse(text)).toMatchObject({
      message: expect.stringContaining(`under the key "${lost.split(':')[0]}"`) as string,
    });
  });

  it.each([
    ['no JSON', '{', 400],
    ['no list', { payloads: 'x' }, 400],
    ['no base64', { payloads: [{ data: '!' }] }, 400],
    ['altered bytes', { payloads: [{ metadata: { encoding: base64('binary/encrypted') }, data: 'AAAA' }] }, 422],
  ])('refuses %s', async (_what, body, status) => {
    expect((await post({ body, headers: bearer(stage.adminKey) })).status).toBe(status);
  });

  it('does not encode', async () => {
    const { status, text } = await post({ path: '/codec/encode', body: {}, headers: bearer(stage.adminKey) });
    expect(status).toBe(404);
    expect(text).toContain('only Outhaul itself encodes');
  });

  it('logs nothing of what it decodes', async () => {
    await post({ body: { payloads: await sealedPayloads(keys, SECRETIVE) }, headers: bearer(stage.adminKey) });
    const lines = stage.lines.join('');
    expect(lines).toContain('/codec/decode');
    expect(lines).not.toContain(base64(JSON.stringify(SECRETIVE)));
    expect(lines).not.toContain(SECRETIVE);
  });
});

describe('the codec endpoint in a browser', () => {
  const preflight = (origin: string) =>
    fetch(`${stage.api.url}/codec/decode`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,x-namespace',
      },
    });

  it.each([UI, 'http://127.0.0.1:8233'])('serves the Temporal Web UI at %s, with its credentials', async (origin) => {
    const { headers } = await preflight(origin);
    expect(headers.get('access-control-allow-origin')).toBe(origin);
    expect(headers.get('access-control-allow-credentials')).toBe('true');
    expect(headers.get('access-control-allow-headers')?.toLowerCase()).toContain('x-namespace');
  });

  it('serves no other page', async () => {
    expect((await preflight('http://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
  });

  const signIn = (key: string) =>
    fetch(`${stage.api.url}/codec/session`, { method: 'POST', body: new URLSearchParams({ key }) });
  const cookieOf = (response: Response): string => response.headers.get('set-cookie')?.split(';')[0] ?? '';

  it('lets an administrator sign in, who may then decode; the cookie does not show the key', async () => {
    expect(await (await fetch(`${stage.api.url}/codec`)).text()).toContain('type="password"');
    const signedIn = await signIn(stage.adminKey);
    expect(signedIn.status).toBe(200);
    expect(signedIn.headers.get('set-cookie')).toMatch(/; Path=\/codec; HttpOnly; SameSite=Strict$/);
    expect(Buffer.from(cookieOf(signedIn).split('=')[1] ?? '', 'base64url').includes(stage.adminKey)).toBe(false);
    const body = { payloads: await sealedPayloads(keys, SECRETIVE) };
    const { status, headers } = await post({ body, headers: { cookie: `a=b; ${cookieOf(signedIn)}`, origin: UI } });
    expect(status).toBe(200);
    expect(headers.get('access-control-allow-origin')).toBe(UI);
    const elsewhere = await fetch(`${stage.api.url}/api/v1/keys`, { headers: { cookie: cookieOf(signedIn) } });
    expect(elsewhere.status).toBe(401);
  });

  it('refuses to sign in anyone else, and sessions that were made up', async () => {
    expect((await signIn('outhaul_1_wrong')).status).toBe(403);
    expect((await signIn(await stage.keyOf(stage.organization()))).status).toBe(403);
    const { status, text } = await post({ body: {}, headers: { cookie: 'outhaul_codec=AAAA' } });
    expect(status).toBe(401);
    expect(text).toContain('sign in again at /codec');
  });

  it('ends a session with its key', async () => {
    const { body } = await stage.call('POST', '/api/v1/keys', { body: { name: 'short-lived', organizationId: null } });
    const { id, key } = body as unknown as { id: number; key: string };
    const cookie = cookieOf(await signIn(key));
    expect((await post({ body: {}, headers: { cookie } })).status).toBe(200);
    await stage.call('DELETE', `/api/v1/keys/${id}`);
    expect((await post({ body: {}, headers: { cookie } })).status).toBe(401);
  });
});

it('serves the Web UI of this machine without a key where authentication is off', async () => {
  const open = await openApiStage({ environment: { OUTHAUL_AUTH: 'none', TEMPORAL_UI_URL: UI } });
  try {
    const decode = (origin: string) =>
      fetch(`${open.api.url}/codec/decode`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin },
        body: '{}',
      });
    expect((await decode(UI)).status).toBe(200);
    expect((await decode('http://evil.example')).status).toBe(403);
  } finally {
    await open.close();
  }
});

it('shows a history in Temporal’s own command line', async () => {
  const { path } = await findTemporalBinary({
    cacheDir: cacheDir(process.env),
    env: process.env,
    log: () => undefined,
  });
  const settings = { address: inject('temporalAddress'), namespace: inject('temporalNamespace') };
  const client = await createTemporalClient(settings, parseKeyRing(keys));
  const workflowId = stage.organization('shown');
  const handle = await client.workflow.start('nobody', { workflowId, taskQueue: workflowId, args: [SECRETIVE] });
  try {
    const show = (...codec: string[]) =>
      promisify(execFile)(path, [
        ...['workflow', 'show', '--workflow-id', workflowId, '--output', 'json'],
        ...['--address', settings.address, '--namespace', settings.namespace, ...codec],
        ...['--disable-config-file', '--disable-config-env'],
      ]);
    const endpoint = ['--codec-endpoint', `${stage.api.url}/codec`];
    const decoded = base64(JSON.stringify(SECRETIVE));
    expect((await show()).stdout).not.toContain(decoded);
    expect((await show(...endpoint, '--codec-auth', `Bearer ${stage.adminKey}`)).stdout).toContain(decoded);
  } finally {
    await handle.terminate();
    await client.connection.close();
  }
});
