import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenApiDocument } from '../../api/openapi.ts';
import { openApiStage, textOf, type ApiStage } from './support/stage.ts';

describe('the OpenAPI document', () => {
  let stage: ApiStage;
  let document: OpenApiDocument;
  beforeAll(async () => {
    stage = await openApiStage();
    document = (await stage.call('GET', '/openapi.json', { key: '' })).body as unknown as OpenApiDocument;
  });
  afterAll(() => stage.close());

  const operations = () =>
    Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
      Object.entries(item as Record<string, Record<string, unknown>>).map(([method, operation]) => ({
        name: `${method.toUpperCase()} ${path}`,
        operation,
      })),
    );

  it('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(structuredClone(document) as unknown as Record<string, unknown>);
    expect(result.errors).toBeUndefined();
    expect(result.valid).toBe(true);
    expect(document.openapi).toMatch(/^3\.1\./);
  });

  it('describes every call of the contract', () => {
    expect(operations().map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'POST /api/v1/scan/start',
        'GET /api/v1/scan/{scanId}/status',
        'POST /api/v1/scan/{scanId}/cancel',
        'GET /api/v1/scan/statistics',
        'POST /api/v1/maintenance/detect-crashed',
        'GET /api/v1/results/{scanId}/tables',
        'GET /api/v1/results/{scanId}/data',
        'GET /api/v1/pipeline/info',
        'POST /session/start',
        'POST /session/stop',
        'GET /session/status',
        'GET /session/history',
        'POST /polling/trigger',
        'POST /process-now',
        'GET /metrics',
        'GET /health',
      ]),
    );
  });

  it('names each operation once', () => {
    const ids = operations().map(({ operation }) => operation['operationId']);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain('postScanStart');
  });

  it('asks for a key everywhere but at GET /health', () => {
    const open = operations().filter(({ operation }) => (operation['security'] as unknown[]).length === 0);
    expect(open.map(({ name }) => name)).toEqual(['GET /health']);
    expect(document.components?.securitySchemes).toEqual({ key: { type: 'http', scheme: 'bearer' } });
  });

  it('documents the errors of every operation', () => {
    for (const { name, operation } of operations()) {
      expect(Object.keys(operation['responses'] as object), name).toContain('500');
    }
    const { responses } = operations().find(({ name }) => name === 'POST /api/v1/scan/start')!.operation;
    expect(Object.keys(responses as object)).toEqual([
      '202',
      '400',
      '401',
      '403',
      '404',
      '409',
      '413',
      '422',
      '500',
      '503',
    ]);
  });

  it('has examples that its own schemas accept', () => {
    const ajv = new Ajv2020({ strict: false });
    formats.default(ajv);
    ajv.addSchema(document, 'openapi.json');
    let examples = 0;
    for (const [name, schema] of Object.entries(document.components?.schemas ?? {})) {
      if (!('example' in schema)) continue;
      examples++;
      const validate = ajv.compile({ $ref: `openapi.json#/components/schemas/${name}` });
      expect(validate(schema.example), `${name}: ${ajv.errorsText(validate.errors)}`).toBe(true);
    }
    expect(examples).toBeGreaterThan(0);
  });

  it('gives numbers in queries their types and bounds', () => {
    const { parameters } = operations().find(({ name }) => name === 'GET /api/v1/results/{scanId}/data')!.operation;
    const limit = (parameters as { name: string; schema: object }[]).find(({ name }) => name === 'limit');
    expect(limit?.schema).toMatchObject({ type: 'integer', minimum: 1, maximum: 1000, default: 100 });
    expect(limit?.schema).not.toHaveProperty('pattern');
  });

  it('is shown by Swagger UI, which takes nothing from elsewhere', async () => {
    const moved = await stage.call('GET', '/docs', { key: '' });
    expect(moved.status).toBe(301);
    expect(new URL(moved.headers.get('location') ?? '', `${stage.api.url}/docs`).pathname).toBe('/docs/');
    const page = await stage.call('GET', '/docs/', { key: '' });
    expect(page.status).toBe(200);
    const html = textOf(page.body['text']);
    for (const [, asset] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
      expect(asset).not.toMatch(/^(https?:)?\/\//);
      const found = await stage.call('GET', new URL(asset!, `${stage.api.url}/docs/`).pathname, { key: '' });
      expect(found.status, asset).toBe(200);
    }
    const start = await stage.call('GET', '/docs/start.js', { key: '' });
    expect(start.body['text']).toContain("url: '../openapi.json'");
    expect(start.headers.get('content-type')).toContain('javascript');
  });

  it('can be found by grep on the page, as the older guide tells operators', async () => {
    const html = textOf((await stage.call('GET', '/docs/', { key: '' })).body['text']);
    for (const field of ['clientId', 'clientSecret', 'tenantId']) expect(html).toContain(field);
  });

  it('lets the page load its own scripts and styles, and no others', async () => {
    const policy = (await stage.call('GET', '/docs/', { key: '' })).headers.get('content-security-policy') ?? '';
    expect(policy).toContain("script-src 'self'");
    expect(policy).toMatch(/style-src [^;]*'unsafe-inline'/);
    expect(policy).not.toContain('upgrade-insecure-requests');
  });
});
