import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from '@asteasolutions/zod-to-openapi';
import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import type { Route } from './route.ts';
import { ErrorAnswer } from './schemas/common.ts';

export type OpenApiDocument = ReturnType<OpenApiGeneratorV31['generateDocument']>;

const KEY = 'key';
const JSON_TYPE = 'application/json';

const DESCRIPTION = `Hauls the mail out of Microsoft 365 tenants, durably.

Every call but \`GET /health\` needs a key: \`Authorization: Bearer KEY\`. A key belongs to one organization, and sees
that organization only, or to an administrator, who sees all. Where a path names no organization, an administrator adds
\`?organizationId=\`, which may be left out where there is no doubt.

Times are ISO 8601 in UTC. Unknown fields in a request body are refused by name. Every answer carries its request's id
in the header \`X-Request-Id\`, which a client may also send.`;

/** The API in OpenAPI 3.1, of the very schemas that check its requests. */
export function describeApi(routes: readonly Route[], version: string): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', KEY, { type: 'http', scheme: 'bearer' });
  for (const one of routes) registry.registerPath(operationOf(one));
  return new OpenApiGeneratorV31(registry.definitions, { sortComponents: 'alphabetically' }).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Outhaul',
      version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
  });
}

function operationOf(one: Route): RouteConfig {
  const { params, query, body } = one.schemas;
  return {
    method: one.method,
    path: one.path,
    operationId: operationId(one),
    tags: [one.tag],
    summary: one.summary,
    ...(one.description !== undefined && { description: one.description }),
    security: one.access === 'public' ? [] : [{ [KEY]: [] }],
    request: {
      ...(params instanceof z.ZodObject && { params }),
      ...(query instanceof z.ZodObject && { query }),
      ...(body && {
        body: { required: !body.safeParse(undefined).success, content: { [JSON_TYPE]: { schema: body } } },
      }),
    },
    responses: Object.fromEntries([...answersOf(one), ...errorsOf(one)]),
  };
}

/** `postScanStart`, `getResultsData`. */
function operationId({ method, path }: Route): string {
  const words = path.replace('/api/v1', '').match(/(?<=\/)[a-z-]+/g) ?? [];
  const names = words.flatMap((word) => word.split('-')).map((word) => word[0]?.toUpperCase() + word.slice(1));
  const isOneOfMany = method === 'get' && path.endsWith('/{id}');
  return [method, ...names, ...(isOneOfMany ? ['ById'] : [])].join('');
}

type Responses = [status: string, response: RouteConfig['responses'][string]][];

const answersOf = ({ answers }: Route): Responses =>
  Object.entries(answers).map(([status, { description, schema, binary, csv, text = [] }]) => [
    status,
    {
      description,
      headers: REQUEST_ID,
      content: {
        ...(schema && { [JSON_TYPE]: { schema } }),
        ...(binary && { '*/*': { schema: { type: 'string' as const, format: 'binary' } } }),
        ...Object.fromEntries(
          [...(csv ? ['text/csv'] : []), ...text].map((type) => [type, { schema: { type: 'string' as const } }]),
        ),
      },
    },
  ]);

function errorsOf(one: Route): Responses {
  const { params, query, body } = one.schemas;
  const statuses = new Set([...(one.errors ?? []), 500]);
  if (params ?? query ?? body) statuses.add(400);
  if (one.access !== 'public') statuses.add(401).add(403).add(503);
  return [...statuses]
    .filter((status) => !(status in one.answers))
    .sort((a, b) => a - b)
    .map((status) => [
      String(status),
      {
        description: MEANINGS[status] ?? STATUS_CODES[status] ?? '',
        headers: REQUEST_ID,
        content: { [JSON_TYPE]: { schema: ErrorAnswer } },
      },
    ]);
}

const REQUEST_ID = { 'X-Request-Id': { schema: { type: 'string' as const }, description: "The request's id" } };

const MEANINGS: Readonly<Record<number, string>> = {
  400: 'The request is malformed; `details` names every field at fault',
  401: 'No key, or one that is unknown or revoked',
  403: "An administrator's key is needed; or a page of another site calls while authentication is off",
  404: 'Not known, or it belongs to another organization',
  409: 'In conflict with how things stand',
  413: 'The body is too large',
  422: 'Understood, but Microsoft Entra or Graph refuses the credential; `reason` says why',
  500: 'A fault of ours; the log says more under the request id',
  503: 'PostgreSQL, Temporal, Microsoft Entra or Graph is out of reach',
};
