import { afterEach, describe, expect, it } from 'vitest';
import { createApiClient } from '../../cli/api-client.ts';
import type { ApiClientOptions } from '../../cli/api-request.ts';
import { ApiError, ApiUnreachable } from '../../cli/api-errors.ts';
import { fakeApi, readBody, type FakeApi } from './fake-cli.ts';

const opened: FakeApi[] = [];
afterEach(async () => {
  for (const api of opened.splice(0)) await api.close();
});

async function answering(status: number, body: unknown) {
  const requests: { method: string; url: string; headers: NodeJS.Dict<string | string[]>; body: string }[] = [];
  const api = await fakeApi((request, response) => {
    void readBody(request).then((text) => {
      requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: text });
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  opened.push(api);
  const client = (options: Partial<ApiClientOptions> = {}) => createApiClient({ url: api.url, ...options });
  return { api, client, requests };
}

describe('the API client', () => {
  it('sends its key, what the method is for, and the organization', async () => {
    const { client, requests } = await answering(200, { success: true, scans: [], pagination: {} });
    await client({ key: 'outhaul_1_abc', organizationId: 'contoso' }).scans(5);
    expect(requests).toEqual([
      expect.objectContaining({ method: 'GET', url: '/api/v1/scans?organizationId=contoso&limit=5', body: '' }),
    ]);
    expect(requests[0]?.headers.authorization).toBe('Bearer outhaul_1_abc');
  });

  it('sends no key where there is none, and a body as JSON', async () => {
    const { client, requests } = await answering(201, { success: true, id: 1, key: 'k' });
    await client().makeKey('nightly', null);
    expect(requests[0]?.headers.authorization).toBeUndefined();
    expect(requests[0]?.headers['content-type']).toBe('application/json');
    expect(JSON.parse(requests[0]?.body ?? '')).toEqual({ name: 'nightly', organizationId: null });
  });

  it('makes an error of ours of the error form: message, every detail, request id, advice', async () => {
    const { client } = await answering(400, {
      success: false,
      error: 'Bad Request',
      message: 'config.scanId: is wrong',
      details: [
        { path: 'config.scanId', message: 'is wrong' },
        { path: 'config.type', message: 'must be ["email"]' },
      ],
      requestId: 'r-1',
    });
    const error = await client()
      .scanState('x')
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 400, exitCode: 1, answer: { requestId: 'r-1' } });
    expect((error as ApiError).message.split('\n')).toEqual([
      'config.scanId: is wrong',
      '  config.type: must be ["email"]',
      "  request r-1 (the API's log has more under this id)",
    ]);
  });

  it('tells why Microsoft refused a credential', async () => {
    const { client } = await answering(422, {
      success: false,
      error: 'Invalid outlook_emails access credentials',
      message: 'Credential validation failed',
      reason: 'The client secret is wrong.',
      requestId: 'r-2',
    });
    await expect(client().startScan({ scanId: 's', organizationId: 'o', type: ['email'] })).rejects.toThrow(
      'Invalid outlook_emails access credentials: Credential validation failed\n  The client secret is wrong.',
    );
  });

  it.each([
    [401, /API key/],
    [403, /administrator/],
    [404, /outhaul status/],
    [503, /try again/],
  ])('advises what to do about %i', async (status, advice) => {
    const { client } = await answering(status, { success: false, error: 'x', message: 'y', requestId: 'z' });
    await expect(client().keys()).rejects.toMatchObject({ advice: expect.stringMatching(advice) as string });
  });

  it('asks whether `outhaul up` is running where nothing listens', async () => {
    const { api, client } = await answering(200, {});
    await api.close();
    opened.splice(0);
    const error = await client()
      .keys()
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ApiUnreachable);
    expect(error).toMatchObject({ exitCode: 3, message: `Nothing listens at ${api.url}` });
    expect((error as ApiUnreachable).advice).toContain('`outhaul up`');
  });

  it('does not wait for ever', async () => {
    const api = await fakeApi(() => undefined);
    opened.push(api);
    await expect(createApiClient({ url: api.url, deadlineMs: 50 }).keys()).rejects.toThrow(/did not answer within/);
  });

  it('ends with the reason of its signal', async () => {
    const api = await fakeApi(() => undefined);
    opened.push(api);
    const controller = new AbortController();
    const asking = createApiClient({ url: api.url, signal: controller.signal }).keys();
    controller.abort(new Error('enough'));
    await expect(asking).rejects.toThrow('enough');
  });

  it.each([
    [200, '<html>hello</html>'],
    [502, 'Bad Gateway'],
    [404, { error: { code: 'NotFound' } }],
  ])('says so where something else answers (%i)', async (status, body) => {
    const { client } = await answering(status, body);
    await expect(client().keys()).rejects.toMatchObject({ name: 'ApiUnreachable', exitCode: 3 });
  });

  it('takes 503 of the health check for an answer', async () => {
    const { client } = await answering(503, { status: 'unhealthy' });
    expect(await client().health()).toEqual({ healthy: false });
  });

  it('keeps ids within their place in the path', async () => {
    const { client, requests } = await answering(200, { success: true });
    await client().cancelScan('../../keys?x=1');
    expect(requests[0]?.url).toBe('/api/v1/scan/..%2F..%2Fkeys%3Fx%3D1/cancel');
  });
});
