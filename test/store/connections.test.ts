import { describe, expect, it } from 'vitest';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import type { Connection } from '../../model/connection.ts';
import { SealError } from '../../model/sealing.ts';
import { loadActive, loadCandidate, loadConnection, promoteCandidate } from '../../store/connections.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { discardScan, finishScan } from '../../store/scan-end.ts';
import { addScan } from '../../store/scans.ts';
import { unique, useStore } from './support.ts';

const store = useStore();

const connection = (clientSecret: string): Connection => ({
  tenantId: 'contoso.onmicrosoft.example',
  clientId: 'client-id-0001',
  cloud: 'global',
  credential: { kind: 'secret', clientSecret },
});

async function scanWith(organizationId: string, candidate?: Connection): Promise<number> {
  await ensureOrganization(store.db, organizationId);
  const scan = { organizationId, scanId: unique('scan'), mode: 'full', filters: { folders: [] } } as const;
  return (await addScan(store.db, { ...scan, status: 'pending', candidate })).scanNo;
}

describe('a connection', () => {
  it('is a candidate until it has worked, and then takes the place of the active one', async () => {
    const first = await scanWith('promote', connection('first'));
    expect(await loadActive(store.db, 'promote')).toBeUndefined();
    expect(await loadConnection(store.db, first)).toEqual(connection('first'));
    expect(await promoteCandidate(store.db, first)).toBe(true);
    expect(await promoteCandidate(store.db, first)).toBe(false);
    const second = await scanWith('promote', connection('second'));
    expect(await loadActive(store.db, 'promote')).toEqual(connection('first'));
    expect(await loadCandidate(store.db, second)).toEqual(connection('second'));
    expect(await promoteCandidate(store.db, second)).toBe(true);
    expect(await loadActive(store.db, 'promote')).toEqual(connection('second'));
    expect(await loadCandidate(store.db, second)).toBeUndefined();
    expect(await loadConnection(store.db, first)).toEqual(connection('second'));
  });

  it('that was refused never touches the active one', async () => {
    await promoteCandidate(store.db, await scanWith('refused', connection('good')));
    const refused = await scanWith('refused', connection('bad'));
    await discardScan(store.db, refused);
    const cancelled = await scanWith('refused', connection('untried'));
    await finishScan(store.db, cancelled, { end: 'cancelled', maxConcurrent: 1 });
    expect(await loadActive(store.db, 'refused')).toEqual(connection('good'));
    const left = await store.sql(`SELECT 1 FROM outhaul.connections WHERE organization_id = 'refused'`);
    expect(left).toHaveLength(1);
  });

  it('is the only active one, whichever of several candidates is promoted last', async () => {
    const scans = await Promise.all(['a', 'b', 'c', 'd'].map((secret) => scanWith('race', connection(secret))));
    const promoted = await Promise.all(scans.map((scanNo) => promoteCandidate(store.db, scanNo)));
    expect(promoted).toEqual([true, true, true, true]);
    const rows = await store.sql(`SELECT 1 FROM outhaul.connections WHERE organization_id = 'race'`);
    expect(rows).toHaveLength(1);
    expect(await loadActive(store.db, 'race')).toBeDefined();
  });

  it('may hold a certificate, and is sealed whole', async () => {
    const credential = { kind: 'certificate', certificate: 'CERTIFICATE', privateKey: 'PRIVATE-KEY' } as const;
    const certified = { ...connection(''), credential };
    const scanNo = await scanWith('certified', certified);
    expect(await loadCandidate(store.db, scanNo)).toEqual(certified);
    const [row] = await store.sql<{ sealed_credential: Buffer }>(
      `SELECT sealed_credential FROM outhaul.connections WHERE scan_no = ${scanNo}`,
    );
    expect(row?.sealed_credential.toString('latin1')).not.toContain('PRIVATE-KEY');
  });

  it('opens in its own row only, and under the key that sealed it', async () => {
    const [mine, other] = [await scanWith('rows', connection('mine')), await scanWith('rows', connection('other'))];
    await store.sql(
      `UPDATE outhaul.connections SET sealed_credential =
        (SELECT sealed_credential FROM outhaul.connections WHERE scan_no = ${other}) WHERE scan_no = ${mine}`,
    );
    await expect(loadCandidate(store.db, mine)).rejects.toThrow(SealError);
    const elsewhere = store.open({ sealer: parseKeyRing(generateKey()) });
    await expect(loadCandidate(elsewhere, other)).rejects.toThrow(SealError);
  });

  it('of an organization without any is not there', async () => {
    const scanNo = await scanWith('none');
    expect(await loadConnection(store.db, scanNo)).toBeUndefined();
    expect(await promoteCandidate(store.db, scanNo)).toBe(false);
  });
});
