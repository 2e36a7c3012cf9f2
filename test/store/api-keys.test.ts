import { beforeAll, describe, expect, it } from 'vitest';
import { createKey, firstAdminKey, listKeys, revokeKey, verifyKey } from '../../store/api-keys.ts';
import { recordAudit } from '../../store/audit.ts';
import { UnknownOrganization } from '../../store/errors.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { useStore } from './support.ts';

const store = useStore();

beforeAll(async () => {
  for (const id of ['one', 'two']) await ensureOrganization(store.db, id);
});

describe('the first administrator’s key', () => {
  it('is made once, by one of several processes that start at once', async () => {
    const dbs = Array.from({ length: 5 }, () => store.open({ poolSize: 1 }));
    const keys = (await Promise.all(dbs.map((db) => firstAdminKey(db)))).filter((key) => key !== undefined);
    expect(keys).toHaveLength(1);
    const [first] = keys;
    expect(await verifyKey(store.db, first?.key ?? '')).toEqual({ keyId: first?.id, organizationId: null });
    expect(await firstAdminKey(store.db)).toBeUndefined();
  });

  it('is made again when no administrator has a key any more', async () => {
    const { id } = await createKey(store.db, { organizationId: null, name: 'second' });
    for (const { id: each, organizationId } of await listKeys(store.db, null)) {
      if (organizationId === null && each !== id) await revokeKey(store.db, each, null);
    }
    expect(await firstAdminKey(store.db)).toBeUndefined();
    await revokeKey(store.db, id, null);
    expect(await firstAdminKey(store.db)).toBeDefined();
  });
});

describe('a key', () => {
  it('tells whose it is, and is stored as a hash only', async () => {
    const { id, key } = await createKey(store.db, { organizationId: 'one', name: 'nightly\u0000' });
    expect(key).toMatch(new RegExp(`^outhaul_${id}_[A-Za-z0-9_-]{43}$`));
    expect(await verifyKey(store.db, key)).toEqual({ keyId: id, organizationId: 'one' });
    const [row] = await store.sql<{ all: string }>(`SELECT k::text AS all FROM outhaul.api_keys k WHERE id = ${id}`);
    expect(row?.all).not.toContain(key.split('_')[2]);
    const listed = (await listKeys(store.db, 'one')).find((each) => each.id === id);
    expect(listed).toMatchObject({ name: 'nightly\ufffd', organizationId: 'one', revokedAt: null });
    expect(listed?.lastUsedAt).not.toBeNull();
  });

  it('opens nothing when it is wrong, cut, of another id or malformed', async () => {
    const { id, key } = await createKey(store.db, { organizationId: 'one', name: 'n' });
    const other = await createKey(store.db, { organizationId: 'two', name: 'n' });
    const secret = key.slice(`outhaul_${id}_`.length);
    const wrong = [
      '',
      'outhaul_',
      key.slice(0, -1),
      `${key}x`,
      ` ${key}`,
      `outhaul_${other.id}_${secret}`,
      `outhaul_999999_${secret}`,
      `outhaul_99999999999999999999_${secret}`,
      `outhaul_-1_${secret}`,
      `outhaul_${id}' OR true --_${secret}`,
      `outhaul_${id}_${secret.slice(0, -1)}\u0000`,
      key.toUpperCase(),
    ];
    for (const each of wrong) expect(await verifyKey(store.db, each), each).toBeUndefined();
  });

  it('opens nothing after it was revoked, and is revoked by its own organization only', async () => {
    const { id, key } = await createKey(store.db, { organizationId: 'one', name: 'n' });
    expect(await revokeKey(store.db, id, 'two')).toBe(false);
    expect(await verifyKey(store.db, key)).toBeDefined();
    expect(await revokeKey(store.db, id, 'one')).toBe(true);
    expect(await revokeKey(store.db, id, null)).toBe(false);
    expect(await verifyKey(store.db, key)).toBeUndefined();
    expect((await listKeys(store.db, 'one')).find((each) => each.id === id)?.revokedAt).not.toBeNull();
  });

  it('shows in the lists of its organization and of administrators', async () => {
    const { id } = await createKey(store.db, { organizationId: 'two', name: 'two' });
    const ids = async (organizationId: string | null): Promise<number[]> =>
      (await listKeys(store.db, organizationId)).map((key) => key.id);
    expect(await ids('two')).toContain(id);
    expect(await ids('one')).not.toContain(id);
    expect(await ids(null)).toContain(id);
  });

  it('of an organization that nobody made is an error', async () => {
    await expect(createKey(store.db, { organizationId: 'nobody', name: 'n' })).rejects.toThrow(UnknownOrganization);
  });
});

describe('the audit log', () => {
  it('keeps who did what', async () => {
    const entry = { actor: 'key:7', organizationId: 'one', action: 'scan.start', target: 'a\u0000' } as const;
    await recordAudit(store.db, { ...entry, details: { mode: 'full', odd: '\u0000\ud800' } });
    await recordAudit(store.db, { actor: 'system', organizationId: null, action: 'start' });
    const rows = await store.sql(
      'SELECT actor, organization_id, action, target, details FROM outhaul.audit_log ORDER BY entry_no',
    );
    expect(rows).toEqual([
      {
        actor: 'key:7',
        organization_id: 'one',
        action: 'scan.start',
        target: 'a\ufffd',
        details: { mode: 'full', odd: '\u0000\ud800' },
      },
      { actor: 'system', organization_id: null, action: 'start', target: null, details: null },
    ]);
  });
});
