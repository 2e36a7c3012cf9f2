import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keepAdminKey } from '../../cli/processes/admin-key.ts';
import { loadConfig, type Config } from '../../config/config.ts';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { createKey, firstAdminKey, revokeKey, verifyKey } from '../../store/api-keys.ts';
import { closeDatabase, openDatabase, type Database } from '../../store/database.ts';
import { migrate } from '../../store/migrate.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const log = pino({ enabled: false });
let database: TestDatabase;
let config: Config;
let db: Database;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase();
  const keys = generateKey();
  ({ config } = loadConfig({ DATABASE_URL: database.url, OUTHAUL_KEYS: keys }));
  db = openDatabase({ url: database.url, sealer: parseKeyRing(keys), log });
  await migrate(db);
  folder = await mkdtemp(join(tmpdir(), 'outhaul-cli-'));
});
afterAll(async () => {
  await closeDatabase(db);
  await database.drop();
  await rm(folder, { recursive: true });
});

describe("the file with the administrator's key", () => {
  const keep = (file: string, made?: string) => keepAdminKey({ file, made, config, log });
  const read = async (file: string) => (await readFile(file, 'utf8')).trim();

  it('holds the key that the first start made, for nobody else to read', async () => {
    const file = join(folder, 'first');
    const made = (await firstAdminKey(db))?.key ?? '';
    await keep(file, made);
    expect(await read(file)).toBe(made);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('stays as it is while its key is good', async () => {
    const file = join(folder, 'good');
    const { key } = await createKey(db, { organizationId: null, name: 'x' });
    await writeFile(file, `${key}\n`);
    await keep(file);
    expect(await read(file)).toBe(key);
  });

  it('gets a new key where it was lost, and where its key is revoked, of another database or an organization’s', async () => {
    const revoked = await createKey(db, { organizationId: null, name: 'revoked' });
    await revokeKey(db, revoked.id, null);
    await ensureOrganization(db, 'contoso');
    const small = await createKey(db, { organizationId: 'contoso', name: 'small' });
    const contents = [undefined, '', revoked.key, small.key, `outhaul_999_${'x'.repeat(43)}`, 'nonsense'];
    for (const [index, content] of contents.entries()) {
      const file = join(folder, `bad-${index}`);
      if (content !== undefined) await writeFile(file, content);
      await keep(file);
      expect(await verifyKey(db, await read(file))).toMatchObject({ organizationId: null });
    }
  });
});
