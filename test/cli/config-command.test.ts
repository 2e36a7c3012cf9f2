import { describe, expect, it } from 'vitest';
import { runCli } from './fake-cli.ts';

const env = {
  CLIENT_SECRET: 'S3cret-value',
  TENANT_ID: 'contoso.example',
  AZURE_CLIENT_ID: '11111111-2222',
  DATABASE_URL: 'postgres://u:hunter2@db/outhaul',
  OUTHAUL_KEYS: 'k1:c2VjcmV0',
};

describe('outhaul config', () => {
  it.each([[['config']], [['config', '--all']], [['config', '--json']]])('hides secrets (%j)', async (args) => {
    const { code, out, notes } = await runCli(args, { env });
    expect(code).toBe(0);
    for (const secret of ['S3cret-value', 'hunter2', 'c2VjcmV0']) expect(out + notes).not.toContain(secret);
    expect(out).toContain('********');
    expect(out).toContain('contoso.example');
  });

  it('says where a value comes from', async () => {
    const { out } = await runCli(['config', '--json'], { env });
    const settings = JSON.parse(out) as { name: string; value: string; source: string }[];
    const byName = new Map(settings.map((setting) => [setting.name, setting]));
    expect(byName.get('CLIENT_ID')).toMatchObject({ value: '11111111-2222', source: 'AZURE_CLIENT_ID' });
    expect(byName.get('PORT')).toMatchObject({ value: '8000', source: 'default' });
    expect(byName.get('TENANT_ID')).toMatchObject({ source: 'environment' });
  });

  it('shows the settings and exits with 2 where some are at fault', async () => {
    const { code, out, notes } = await runCli(['config'], { env: { PORT: '99999', DB_PORT: 'x' } });
    expect(code).toBe(2);
    expect(out).toContain('MAX_WORKERS');
    expect(notes).toContain('2 faults');
  });

  it('warns of variables of the replaced services that mean nothing here', async () => {
    const { code, notes } = await runCli(['config'], { env: { FLASK_ENV: 'production' } });
    expect(code).toBe(0);
    expect(notes).toContain('FLASK_ENV');
  });
});
