import { describe, expect, it } from 'vitest';
import { ConfigError, cacheDir, describeConfig, loadConfig } from '../../config/config.ts';

const faultsOf = (environment: Record<string, string>): readonly string[] => {
  try {
    loadConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('the configuration', () => {
  it('has the documented defaults', () => {
    const { config, warnings } = loadConfig({ HOME: '/home/someone' });
    expect(config).toMatchObject({
      http: { host: '127.0.0.1', port: 8000, auth: 'keys', corsOrigins: [] },
      database: { url: undefined, poolSize: 20, poolTimeoutMs: 30_000 },
      graph: { cloud: 'global', requestTimeoutMs: 30_000, pageSize: 500, attempts: 8 },
      notifications: { enabled: true, publicUrl: undefined, joinMs: 200, subscriptionMinutes: 10_000 },
      log: { level: 'info', format: 'json' },
      maxConcurrentScans: 5,
      mailboxesAtOnce: 40,
      dataDir: '/home/someone/.local/share/outhaul',
    });
    expect(warnings).toEqual([]);
  });

  it('tells every fault at once, by the name that was set', () => {
    const faults = faultsOf({
      PORT: '99999',
      AZURE_TENANT_ID: 'contoso.example',
      OUTLOOK_API_BASE_URL: 'http://graph.example.com',
      OUTLOOK_RETRY_ATTEMPTS: 'many',
      LOG_FORMAT: 'xml',
      HOST: '0.0.0.0',
      OUTHAUL_AUTH: 'none',
    });
    expect(faults).toHaveLength(5);
    expect(faults.join('\n')).toMatch(/PORT must be between 0 and 65535 \(it is "99999"\)/);
    expect(faults.join('\n')).toMatch(/OUTLOOK_RETRY_ATTEMPTS must be a whole number/);
    expect(faults.join('\n')).toMatch(/OUTLOOK_API_BASE_URL must be https/);
    expect(faults.join('\n')).toMatch(/OUTHAUL_AUTH=none is accepted only where HOST is a loopback address/);
  });

  it('takes a part of the default connection for none, and says what is missing', () => {
    for (const [set, missing] of [
      [{ CLIENT_SECRET: 'a secret' }, 'TENANT_ID and CLIENT_ID are not set'],
      [{ AZURE_TENANT_ID: 'contoso.example', CLIENT_ID: 'an-app' }, 'CLIENT_SECRET is not set'],
    ] as const) {
      const { config, warnings } = loadConfig({ HOME: '/home/someone', ...set });
      expect(config.connection).toBeUndefined();
      expect(warnings).toEqual([`There is no default connection: ${missing}`]);
    }
  });

  it('accepts plain http on loopback', () => {
    expect(
      faultsOf({ OUTLOOK_API_BASE_URL: 'http://127.0.0.1:9000', OUTHAUL_AUTHORITY_URL: 'http://localhost:9000' }),
    ).toEqual([]);
  });

  it('takes where Graph reaches us: https or loopback, without a slash at its end and without a query', () => {
    const { config } = loadConfig({ OUTHAUL_PUBLIC_URL: 'https://mail.example.com/outhaul/' });
    expect(config.notifications.publicUrl).toBe('https://mail.example.com/outhaul');
    expect(faultsOf({ OUTHAUL_PUBLIC_URL: 'http://127.0.0.1:8000' })).toEqual([]);
    expect(faultsOf({ OUTHAUL_PUBLIC_URL: 'http://mail.example.com' })).toEqual([
      expect.stringMatching(/^OUTHAUL_PUBLIC_URL must be https/),
    ]);
    expect(faultsOf({ OUTHAUL_PUBLIC_URL: 'https://mail.example.com/?x=1' })).toEqual([
      expect.stringMatching(/^OUTHAUL_PUBLIC_URL must not have a query/),
    ]);
  });

  it('takes the names of the replaced services', () => {
    const { config } = loadConfig({
      AZURE_TENANT_ID: 'tenant-of-azure',
      AZURE_CLIENT_ID: 'client-of-azure',
      AZURE_CLIENT_SECRET: 'secret-of-azure',
      OUTLOOK_RETRY_ATTEMPTS: '5',
      DB_POOL_SIZE: '20',
      DB_MAX_OVERFLOW: '40',
      LOG_LEVEL: 'DEBUG',
      MAILBOX_ADDRESS: 'a@example.com, b@example.com',
    });
    expect(config.connection).toEqual({
      tenantId: 'tenant-of-azure',
      clientId: 'client-of-azure',
      clientSecret: 'secret-of-azure',
    });
    expect(config.graph.attempts).toBe(5);
    expect(config.database.poolSize).toBe(60);
    expect(config.log.level).toBe('debug');
    expect(config.mailboxAddresses).toEqual(['a@example.com', 'b@example.com']);
  });

  it('makes one URL of the database in parts, whatever the password holds', () => {
    const { config } = loadConfig({
      DB_HOST: 'db',
      DB_PORT: '6543',
      DB_USER: 'u',
      DB_PASSWORD: 'p@ss/w:rd#',
      DB_NAME: 'mail',
    });
    expect(config.database.url).toBe('postgres://u:p%40ss%2Fw%3Ard%23@db:6543/mail');
  });

  it('warns by name of what has no meaning here', () => {
    const { warnings } = loadConfig({ DB_SCHEMA: 'outlook', FLASK_ENV: 'production' });
    expect(warnings.map((warning) => warning.split(' ')[0])).toEqual(['DB_SCHEMA', 'FLASK_ENV']);
  });

  it('counts an empty variable as not set', () => {
    expect(loadConfig({ PORT: '', DATABASE_URL: '' }).config.http.port).toBe(8000);
  });

  it('is described with its secrets hidden', () => {
    const described = describeConfig({
      CLIENT_SECRET: 'planted-secret',
      DATABASE_URL: 'postgres://u:planted@h/d',
      PORT: '81',
    });
    expect(JSON.stringify(described)).not.toContain('planted');
    expect(described.find(({ name }) => name === 'PORT')).toMatchObject({ value: '81', source: 'environment' });
  });

  it('does not tell a secret in a fault', () => {
    expect(faultsOf({ DATABASE_URL: 'mysql://u:planted@h/d' }).join()).not.toContain('planted');
  });

  it('keeps binaries in the cache folder of the user', () => {
    expect(cacheDir({ HOME: '/home/someone' })).toBe('/home/someone/.cache/outhaul');
    expect(cacheDir({ HOME: '/home/someone', XDG_CACHE_HOME: '/caches' })).toBe('/caches/outhaul');
  });

  it('ignores relative base folders, as the XDG specification says', () => {
    const environment = { HOME: '/home/someone', XDG_CACHE_HOME: 'caches', XDG_DATA_HOME: './data' };
    expect(cacheDir(environment)).toBe('/home/someone/.cache/outhaul');
    expect(loadConfig(environment).config.dataDir).toBe('/home/someone/.local/share/outhaul');
  });

  it('says that names of replaced services have no effect', () => {
    const { warnings } = loadConfig({ HUBSPOT_ACCESS_TOKEN: 'x', NGROK_AUTHTOKEN: 'x' });
    expect([...warnings].sort()).toEqual([
      'HUBSPOT_ACCESS_TOKEN is set and has no effect: Outhaul reads Outlook only',
      'NGROK_AUTHTOKEN is set and has no effect: Outhaul opens no tunnel; OUTHAUL_PUBLIC_URL says where Graph reaches it',
    ]);
  });
});

describe('the configuration of attachments', () => {
  const load = (environment: Record<string, string>) => loadConfig({ HOME: '/home/someone', ...environment });

  it('has neither Redis nor folder nor Airtable where none is named', () => {
    const { config, warnings } = load({});
    expect(config).toMatchObject({
      blobs: { directory: '/home/someone/.local/share/outhaul/blobs' },
      attachments: { emailGroups: [], fileTypes: [] },
    });
    expect(config.attachments.directory).toBeUndefined();
    expect([config.redis, config.airtable]).toEqual([undefined, undefined]);
    expect(warnings).toEqual([]);
  });

  it('keeps blobs in the data folder, or where it is told', () => {
    expect(load({ OUTHAUL_DATA_DIR: '/data' }).config.blobs.directory).toBe('/data/blobs');
    const both = { OUTHAUL_DATA_DIR: '/data', OUTHAUL_BLOBS_DIR: '/shared/blobs' };
    expect(load(both).config.blobs.directory).toBe('/shared/blobs');
  });

  it('reads the lines of the document, with their comments and without', () => {
    const lines = `
EMAIL_GROUPS=company.com,partner.org          # Domains/groups to monitor
FILE_TYPES=.pdf,.docx,.xlsx,.csv               # File types to process
ATTACHMENTS_DIR=/srv/email_attachments         # Local storage directory
USE_REDIS_QUEUE=true                           # Enable Redis queue
REDIS_HOST=localhost                           # Redis server host
REDIS_PORT=6379                                # Redis server port
REDIS_DB=0                                     # Redis database number
REDIS_PASSWORD=                                # Redis password (if required)
EMAIL_QUEUE_NAME=email_attachments             # Queue name
MAX_QUEUE_SIZE=1000                            # Maximum queue size
MAX_ATTACHMENT_SIZE=52428800                   # Max file size (50MB)`;
    const set = [...lines.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value] as const);
    const bare = set.map(([name, value]) => [name, value.replace(/\s*#.*$/, '')] as const);
    const quoted = bare.map(([name, value]) => [name, value && `"${value}"`] as const);
    for (const environment of [set, bare, quoted]) {
      const { config, warnings } = load(Object.fromEntries(environment));
      expect(config.attachments).toEqual({
        emailGroups: ['company.com', 'partner.org'],
        fileTypes: ['.pdf', '.docx', '.xlsx', '.csv'],
        maxAttachmentSize: 52_428_800,
        directory: '/srv/email_attachments',
      });
      expect(config.redis).toEqual({
        url: 'redis://localhost:6379/0',
        username: undefined,
        password: undefined,
        queue: 'email_attachments',
        maxLength: 1000,
      });
      expect(warnings).toEqual([]);
    }
  });

  it('takes Redis as a URL, and keeps its credentials apart', () => {
    const url = 'rediss://reader:p%40ss@redis.example.com:6380/3';
    expect(load({ REDIS_URL: url, REDIS_HOST: 'elsewhere' }).config.redis).toMatchObject({
      url: 'rediss://redis.example.com:6380/3',
      username: 'reader',
      password: 'p@ss',
    });
    const beside = { REDIS_URL: 'redis://redis.example.com', REDIS_USERNAME: 'reader', REDIS_PASSWORD: '#1 "x"' };
    expect(load(beside).config.redis).toMatchObject({ username: 'reader', password: '#1 "x"' });
    expect(load({ REDIS_HOST: '::1' }).config.redis?.url).toBe('redis://[::1]:6379/0');
  });

  it('uses Redis where it is named or asked for, and not where it is refused', () => {
    expect(load({ USE_REDIS_QUEUE: 'True' }).config.redis?.url).toBe('redis://localhost:6379/0');
    expect(load({ REDIS_HOST: 'cache' }).config.redis?.url).toBe('redis://cache:6379/0');
    for (const no of ['false', 'False', '0', 'no']) {
      expect(load({ USE_REDIS_QUEUE: no, REDIS_HOST: 'cache' }).config.redis).toBeUndefined();
    }
  });

  it('takes a relative folder from where the process runs', () => {
    expect(load({ ATTACHMENTS_DIR: 'email_attachments' }).config.attachments.directory).toBe(
      `${process.cwd()}/email_attachments`,
    );
  });

  it('tells all faults at once, and no password', () => {
    const faults = faultsOf({
      EMAIL_GROUPS: 'company',
      FILE_TYPES: '.pdf,a b',
      MAX_ATTACHMENT_SIZE: '50MB',
      USE_REDIS_QUEUE: 'perhaps',
      REDIS_PORT: '0',
      REDIS_DB: '-1',
      REDIS_HOST: 'redis://x',
      REDIS_URL: 'redis://:planted@host/first',
      MAX_QUEUE_SIZE: 'lots',
    });
    expect(faults).toHaveLength(9);
    expect(faults.join('\n')).toMatch(/^EMAIL_GROUPS "company" is neither a domain/m);
    expect(faults.join('\n')).toMatch(/^FILE_TYPES "a b" is neither an extension/m);
    expect(faults.join('\n')).toMatch(/^MAX_ATTACHMENT_SIZE "50MB" must be a number of bytes/m);
    expect(faults.join('\n')).toMatch(/^USE_REDIS_QUEUE must be true or false/m);
    expect(faults.join('\n')).toMatch(/^REDIS_HOST must be the name or address of a host/m);
    expect(faults.join('\n')).toMatch(/^REDIS_URL must end with the number of a database/m);
    expect(faults.join('\n')).not.toContain('planted');
    expect(faultsOf({ REDIS_URL: 'https://host' })).toEqual([expect.stringMatching(/^REDIS_URL must be a URL/)]);
    expect(faultsOf({ REDIS_URL: 'redis://u:%zz@host' })).toEqual([expect.stringMatching(/^REDIS_URL has a "%"/)]);
    expect(faultsOf({ REDIS_URL: 'redis://host/0?family=6' })).toEqual([
      expect.stringMatching(/must not have a query/),
    ]);
  });

  it('warns of filters that nothing uses, and of half an Airtable', () => {
    expect(load({ EMAIL_GROUPS: 'company.com', AIRTABLE_BASE_ID: 'app1' }).warnings).toEqual([
      'There is no Airtable to write to: AIRTABLE_API_KEY and AIRTABLE_TABLE_NAME are not set',
      'EMAIL_GROUPS is set and has no effect: neither Redis nor ATTACHMENTS_DIR is set',
    ]);
    const airtable = { AIRTABLE_API_KEY: 'key', AIRTABLE_BASE_ID: 'app1', AIRTABLE_TABLE_NAME: 'People' };
    expect(load(airtable).config.airtable).toEqual({ apiKey: 'key', baseId: 'app1', tableName: 'People' });
  });

  it('is described with its secrets hidden', () => {
    const secrets = { REDIS_PASSWORD: 'planted', REDIS_URL: 'redis://:planted@host', AIRTABLE_API_KEY: 'planted' };
    expect(JSON.stringify(describeConfig(secrets))).not.toContain('planted');
  });
});
