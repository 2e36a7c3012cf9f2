import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { inject } from 'vitest';
import { startApi, type ApiOptions, type RunningApi } from '../../../api/main.ts';
import type { OpenApiDocument } from '../../../api/openapi.ts';
import { loadConfig } from '../../../config/config.ts';
import { generateKey } from '../../../config/key-ring.ts';
import { openConfiguredKeyRing } from '../../../config/live-key-ring.ts';
import { createLogger } from '../../../config/logging.ts';
import { closeDatabase, openDatabase, type Database } from '../../../store/database.ts';
import { createTestDatabase } from '../../support/database.ts';
import { DocumentedAnswers } from './answers.ts';

/** A JSON body of any form, for tests to look into. */
export interface Body {
  readonly [member: string]: Body;
}

/** What a body has as text or as a number, as text. */
export const textOf = (value: Body | undefined): string =>
  typeof value === 'string' ? value : JSON.stringify(value ?? null);

/** What a body has as a list. */
export const listOf = (value: Body | undefined): readonly Body[] => value as unknown as readonly Body[];

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

export interface TestCall {
  readonly key?: string | undefined;
  /** An object is sent as JSON, a string as it is. */
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** A running API over a database of its own on the run's PostgreSQL and Temporal. */
export interface ApiStage {
  readonly api: RunningApi;
  readonly db: Database;
  /** The environment that the API runs with, for workers of the same installation. */
  readonly environment: Record<string, string>;
  readonly taskQueuePrefix: string;
  readonly adminKey: string;
  /** An organization id that was never used, not by an earlier attempt of the same test either. */
  organization(name?: string): string;
  /** Everything logged so far, a line each. */
  readonly lines: readonly string[];
  /** Calls the API; every answer is held against the documented schemas. An administrator calls unless a key is given. */
  call(method: string, path: string, options?: TestCall): Promise<TestAnswer>;
  /** Makes a key of an organization. */
  keyOf(organizationId: string): Promise<string>;
  close(): Promise<void>;
}

export interface StageOptions extends Partial<Omit<ApiOptions, 'config' | 'log' | 'taskQueuePrefix'>> {
  readonly environment?: Record<string, string>;
  /** Ports of this machine through which the API reaches its servers, instead of directly. */
  readonly wires?: { readonly databasePort: number; readonly temporalPort: number };
}

export async function openApiStage({ environment: over, wires, ...options }: StageOptions = {}): Promise<ApiStage> {
  const database = await createTestDatabase();
  const environment = { ...environmentFor(database.url), ...(wires && through(wires, database.url)), ...over };
  const { config } = loadConfig(environment);
  const lines: string[] = [];
  const log = createLogger(config.log, { process: 'api' }, { write: (line) => void lines.push(line) });
  const taskQueuePrefix = `test-${randomUUID()}`;
  const api = await startApi({ config, log, taskQueuePrefix, ...options });
  const db = openDatabase({ url: database.url, sealer: openConfiguredKeyRing(config, log), log });
  const document = (await (await fetch(`${api.url}/openapi.json`)).json()) as OpenApiDocument;
  const answers = new DocumentedAnswers(document);
  const suffix = randomUUID().slice(0, 8);
  const adminKey = api.adminKey ?? '';
  let organizations = 0;

  const call: ApiStage['call'] = async (method, path, { key = adminKey, body, headers } = {}) => {
    const response = await fetch(`${api.url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(key !== '' && { Authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false;
    const parsed = (isJson ? JSON.parse(text) : { text }) as Body;
    if (isJson && path !== '/openapi.json') {
      answers.check(method, new URL(path, api.url).pathname, response.status, parsed);
    }
    return { status: response.status, headers: response.headers, body: parsed };
  };

  return {
    api,
    db,
    environment,
    taskQueuePrefix,
    adminKey,
    organization: (name = 'org') => `${name}-${suffix}-${++organizations}`,
    lines,
    call,
    async keyOf(organizationId) {
      const { status, body } = await call('POST', '/api/v1/keys', { body: { name: 'test', organizationId } });
      if (status !== 201) throw new Error(`no key: ${JSON.stringify(body)}`);
      return textOf(body['key']);
    },
    async close() {
      await api.close();
      await closeDatabase(db);
      await database.drop();
    },
  };
}

function through(wires: { databasePort: number; temporalPort: number }, databaseUrl: string): Record<string, string> {
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${wires.databasePort}`;
  return { DATABASE_URL: url.href, TEMPORAL_ADDRESS: `127.0.0.1:${wires.temporalPort}` };
}

/** The environment of an installation on the run's servers; the port is any that is free. */
export const environmentFor = (databaseUrl: string): Record<string, string> => ({
  DATABASE_URL: databaseUrl,
  TEMPORAL_ADDRESS: inject('temporalAddress'),
  TEMPORAL_NAMESPACE: inject('temporalNamespace'),
  TEMPORAL_UI_URL: 'http://localhost:8233',
  OUTHAUL_BLOBS_DIR: join(inject('blobsFolder'), randomUUID()),
  OUTHAUL_KEYS: generateKey(),
  HOST: '127.0.0.1',
  PORT: '0',
  DB_POOL_SIZE: '4',
  LOG_LEVEL: 'debug',
});
