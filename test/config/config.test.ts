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
    const { warnings } = loadConfig({ DB_SCHEMA: 'outlook', FLASK_ENV: 'production', REDIS_HOST: 'localhost' });
    expect(warnings.map((warning) => warning.split(' ')[0])).toEqual(['DB_SCHEMA', 'FLASK_ENV', 'REDIS_HOST']);
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
