import { describe, expect, it, vi } from 'vitest';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import type { Connection } from '../../model/connection.ts';
import { loadActive, loadCandidate, promoteCandidate } from '../../store/connections.ts';
import type { Database } from '../../store/database.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { recordSealingKey, retiredKeys } from '../../store/retired-keys.ts';
import { addScan } from '../../store/scans.ts';
import { credentialsByKey, resealCredentials } from '../../store/sealed-credentials.ts';
import { unique, useStore } from './support.ts';

const connection = (clientSecret: string): Connection => ({
  tenantId: 'contoso.onmicrosoft.example',
  clientId: 'client-id-0001',
  cloud: 'global',
  credential: { kind: 'secret', clientSecret },
});

async function candidateOf(db: Database, organizationId: string, clientSecret: string): Promise<number> {
  await ensureOrganization(db, organizationId);
  const scan = { organizationId, scanId: unique('scan'), mode: 'full', filters: { folders: [] } } as const;
  return (await addScan(db, { ...scan, status: 'pending', candidate: connection(clientSecret) })).scanNo;
}

const keyOf = (entry: string): string => entry.split(':')[0] ?? '';

describe('sealing credentials anew', () => {
  const store = useStore();
  const [old, fresh, lost] = [generateKey(), generateKey(), generateKey()];

  it('leaves every credential under the newest key, active or not, and none changed', async () => {
    const before = store.open({ sealer: parseKeyRing(old) });
    const scans = [];
    for (let at = 0; at < 7; at++) scans.push(await candidateOf(before, `org-${at}`, `secret-${at}`));
    await promoteCandidate(before, scans[0] ?? 0);
    const after = store.open({ sealer: parseKeyRing(`${fresh},${old}`) });
    expect(await credentialsByKey(after)).toEqual(new Map([[keyOf(old), 7]]));
    expect(await resealCredentials(after, keyOf(fresh), { batch: 3 })).toBe(7);
    expect(await credentialsByKey(after)).toEqual(new Map([[keyOf(fresh), 7]]));
    expect(await resealCredentials(after, keyOf(fresh), { batch: 3 })).toBe(0);
    const alone = store.open({ sealer: parseKeyRing(fresh) });
    expect(await loadActive(alone, 'org-0')).toEqual(connection('secret-0'));
    expect(await loadCandidate(alone, scans[6] ?? 0)).toEqual(connection('secret-6'));
  });

  it('does not undo what changes meanwhile', async () => {
    const scanNo = await candidateOf(store.open({ sealer: parseKeyRing(old) }), 'changing', 'before');
    const db = store.open({ sealer: parseKeyRing(`${fresh},${old}`), applicationName: 'resealing' });
    const changed = Buffer.from('changed by another process');
    const other = await store.db.pool.connect();
    try {
      await other.query('BEGIN');
      await other.query('UPDATE outhaul.connections SET sealed_credential = $1 WHERE scan_no = $2', [changed, scanNo]);
      const resealing = resealCredentials(db, keyOf(fresh));
      await vi.waitFor(async () => {
        const waiting = `SELECT FROM pg_stat_activity WHERE application_name = 'resealing' AND wait_event_type = 'Lock'`;
        expect(await store.sql(waiting)).toHaveLength(1);
      });
      await other.query('COMMIT');
      expect(await resealing).toBe(0);
    } finally {
      other.release();
    }
    const rows = await store.sql<{ sealed: Buffer }>(
      'SELECT sealed_credential AS sealed FROM outhaul.connections WHERE scan_no = $1',
      [scanNo],
    );
    expect(rows[0]?.sealed).toEqual(changed);
    await store.sql('DELETE FROM outhaul.connections WHERE scan_no = $1', [scanNo]);
  });

  it('leaves what no key of the ring opens as it is, and it is counted under its key', async () => {
    await candidateOf(store.open({ sealer: parseKeyRing(lost) }), 'unopened', 'lost');
    await candidateOf(store.open({ sealer: parseKeyRing(old) }), 'opened', 'kept');
    const db = store.open({ sealer: parseKeyRing(`${fresh},${old}`) });
    expect(await resealCredentials(db, keyOf(fresh))).toBe(1);
    expect((await credentialsByKey(db)).get(keyOf(lost))).toBe(1);
  });
});

describe('retired keys', () => {
  const store = useStore();

  it('keep the time at which they first sealed no more, until they seal again', async () => {
    await recordSealingKey(store.db, 'k2', ['k1']);
    const first = await retiredKeys(store.db);
    expect([...first.keys()]).toEqual(['k1']);
    await recordSealingKey(store.db, 'k3', ['k2', 'k1']);
    const second = await retiredKeys(store.db);
    expect([...second.keys()].sort()).toEqual(['k1', 'k2']);
    expect(second.get('k1')).toBe(first.get('k1'));
    await recordSealingKey(store.db, 'k1', ['k3', 'k2']);
    expect([...(await retiredKeys(store.db)).keys()].sort()).toEqual(['k2', 'k3']);
  });
});
