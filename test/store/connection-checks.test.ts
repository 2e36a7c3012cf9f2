import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import type { CheckReport } from '../../model/connection-check.ts';
import type { Connection } from '../../model/connection.ts';
import { SealError } from '../../model/sealing.ts';
import {
  UnknownCheck,
  addCheck,
  discardCheck,
  endCheck,
  endedCheck,
  openCheck,
  type NewCheck,
} from '../../store/connection-checks.ts';
import { connectionById, listConnections, removeConnection } from '../../store/connection-list.ts';
import { loadActive, promoteCandidate } from '../../store/connections.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { finishScan } from '../../store/scan-end.ts';
import { addScan } from '../../store/scans.ts';
import { unique, useStore } from './support.ts';

const store = useStore();

const connection = (clientSecret: string, over: Partial<Connection> = {}): Connection => ({
  tenantId: 'contoso.onmicrosoft.example',
  clientId: 'client-id-0001',
  cloud: 'global',
  credential: { kind: 'secret', clientSecret },
  ...over,
});
const report = (outcome: CheckReport['outcome']): CheckReport => ({
  outcome,
  findings: [{ name: 'token', status: outcome === 'passed' ? 'passed' : 'failed', meaning: 'It is so.' }],
});
const newOrganization = async (): Promise<string> =>
  (await ensureOrganization(store.db, unique('organization'))).organizationId;
const check = (organizationId: string, secret: string, over: Partial<NewCheck> = {}): Promise<number> =>
  addCheck(store.db, { organizationId, candidate: { connection: connection(secret) }, ...over });
/** An organization with a connection; answers its id and the connection's. */
async function connected(secret: string): Promise<{ organizationId: string; id: string }> {
  const organizationId = await newOrganization();
  await endCheck(store.db, await check(organizationId, secret), report('passed'));
  const [made] = await listConnections(store.db, organizationId);
  return { organizationId, id: made?.id ?? '' };
}
async function addScanOf(organizationId: string, candidate?: Connection): Promise<number> {
  const scan = { organizationId, scanId: unique('scan'), mode: 'full', filters: { folders: [] } } as const;
  return (await addScan(store.db, { ...scan, status: 'pending', candidate })).scanNo;
}

describe('the check of a candidate', () => {
  it('that works makes it the connection, and keeps its credential nowhere else', async () => {
    const organizationId = await newOrganization();
    const checkNo = await check(organizationId, 'first');
    expect(await loadActive(store.db, organizationId)).toBeUndefined();
    expect(await openCheck(store.db, checkNo)).toMatchObject({ connection: connection('first'), isCandidate: true });
    await endCheck(store.db, checkNo, report('passed'));
    expect(await loadActive(store.db, organizationId)).toEqual(connection('first'));
    expect(await endedCheck(store.db, checkNo)).toMatchObject({ ...report('passed'), isActive: true });
    const rows = await store.sql('SELECT 1 FROM outhaul.connection_checks WHERE sealed_credential IS NOT NULL');
    expect(rows).toEqual([]);
  });

  it('replaces the credential and keeps the id and the time of the making', async () => {
    const { organizationId, id } = await connected('first');
    const before = await connectionById(store.db, id, organizationId);
    await endCheck(store.db, await check(organizationId, 'second', { connectionId: id }), report('warning'));
    expect(await loadActive(store.db, organizationId)).toEqual(connection('second'));
    const after = await connectionById(store.db, id, null);
    expect(after).toMatchObject({ id, createdAt: before?.createdAt, lastCheck: { outcome: 'warning' } });
    expect(after?.rotatedAt).not.toBe(before?.rotatedAt);
  });

  it.each(['failed', 'unreachable'] as const)('that ends %s leaves the connection as it was', async (outcome) => {
    const { organizationId, id } = await connected('good');
    const checkNo = await check(organizationId, 'bad', { connectionId: id });
    await endCheck(store.db, checkNo, report(outcome));
    expect(await loadActive(store.db, organizationId)).toEqual(connection('good'));
    expect(await endedCheck(store.db, checkNo)).toMatchObject({ outcome, isActive: false });
    expect((await connectionById(store.db, id, null))?.lastCheck).toMatchObject({ outcome: 'passed' });
  });

  it('replaces nothing that is not there any more, or is there meanwhile', async () => {
    const { organizationId, id } = await connected('first');
    const rotation = await check(organizationId, 'second', { connectionId: id });
    await removeConnection(store.db, id);
    await endCheck(store.db, rotation, report('passed'));
    expect(await loadActive(store.db, organizationId)).toBeUndefined();
    expect((await endedCheck(store.db, rotation))?.isActive).toBe(false);

    const other = await newOrganization();
    const [one, two] = [await check(other, 'one'), await check(other, 'two')];
    await Promise.all([endCheck(store.db, one, report('passed')), endCheck(store.db, two, report('passed'))]);
    const ends = [await endedCheck(store.db, one), await endedCheck(store.db, two)];
    expect(ends.map((ended) => ended?.isActive).sort()).toEqual([false, true]);
    expect(await listConnections(store.db, other)).toHaveLength(1);
  });

  it('ends once, and is forgotten where nobody waits for it', async () => {
    const organizationId = await newOrganization();
    const checkNo = await check(organizationId, 'first');
    await discardCheck(store.db, checkNo);
    await expect(openCheck(store.db, checkNo)).rejects.toThrow(UnknownCheck);
    await endCheck(store.db, checkNo, report('passed'));
    expect(await loadActive(store.db, organizationId)).toBeUndefined();
    const ended = await check(organizationId, 'second');
    await endCheck(store.db, ended, report('failed'));
    await endCheck(store.db, ended, report('passed'));
    await discardCheck(store.db, ended);
    expect(await endedCheck(store.db, ended)).toMatchObject({ outcome: 'failed' });
  });

  it('opens under the key ring that sealed it only', async () => {
    const checkNo = await check(await newOrganization(), 'sealed');
    const elsewhere = store.open({ sealer: parseKeyRing(generateKey()) });
    await expect(openCheck(elsewhere, checkNo)).rejects.toThrow(SealError);
  });
});

describe('the check of a connection', () => {
  it('looks at the stored one and changes nothing but what is known of it', async () => {
    const { organizationId, id } = await connected('stored');
    const checkNo = await addCheck(store.db, { organizationId, connectionId: id, mailbox: 'ada@contoso.example' });
    expect(await openCheck(store.db, checkNo)).toEqual({
      connection: connection('stored'),
      isCandidate: false,
      secretExpiresAt: null,
      mailbox: 'ada@contoso.example',
    });
    await endCheck(store.db, checkNo, report('failed'));
    expect(await loadActive(store.db, organizationId)).toEqual(connection('stored'));
    expect((await connectionById(store.db, id, null))?.lastCheck).toMatchObject({ outcome: 'failed' });
  });
});

describe('connections', () => {
  it('are listed without their credentials, of one organization or of all', async () => {
    const [mine, theirs] = [await connected('my-secret'), await connected('their-secret')];
    const [listed, ...rest] = await listConnections(store.db, mine.organizationId);
    expect(rest).toEqual([]);
    expect(listed).toMatchObject({ ...mine, kind: 'secret', expiresAt: null, clientId: 'client-id-0001' });
    const all = await listConnections(store.db, null);
    expect(all.map(({ id }) => id)).toEqual(expect.arrayContaining([mine.id, theirs.id]));
    expect(JSON.stringify(all)).not.toMatch(/my-secret|their-secret/);
    expect(await connectionById(store.db, theirs.id, mine.organizationId)).toBeUndefined();
    expect(await connectionById(store.db, randomUUID(), null)).toBeUndefined();
  });

  it('tell when their credential ends: a certificate by itself, a secret as it was told', async () => {
    const organizationId = await newOrganization();
    const certificate = readFileSync(new URL('../graph/fixtures/certificate.pem', import.meta.url), 'utf8');
    const credential = { kind: 'certificate', certificate, privateKey: 'KEY' } as const;
    const candidate = { connection: connection('', { credential }) };
    await endCheck(store.db, await addCheck(store.db, { organizationId, candidate }), report('passed'));
    const [certified] = await listConnections(store.db, organizationId);
    expect(certified).toMatchObject({ kind: 'certificate', expiresAt: expect.stringMatching(/Z$/) as string });

    const secretExpiresAt = '2027-01-31T00:00:00Z';
    const told = { connection: connection('told'), secretExpiresAt };
    const rotation = await addCheck(store.db, { organizationId, connectionId: certified?.id, candidate: told });
    await endCheck(store.db, rotation, report('passed'));
    expect((await listConnections(store.db, organizationId))[0]).toMatchObject({ expiresAt: secretExpiresAt });
    await promoteCandidate(store.db, await addScanOf(organizationId, connection('told')));
    const [again] = await listConnections(store.db, organizationId);
    expect(again, 'a scan has brought the same secret').toMatchObject({
      id: certified?.id,
      expiresAt: secretExpiresAt,
    });
    await promoteCandidate(store.db, await addScanOf(organizationId, connection('another')));
    expect((await listConnections(store.db, organizationId))[0]).toMatchObject({ id: certified?.id, expiresAt: null });
  });

  it('that the key ring does not open are listed all the same', async () => {
    const { organizationId, id } = await connected('sealed');
    const elsewhere = store.open({ sealer: parseKeyRing(generateKey()) });
    expect(await listConnections(elsewhere, organizationId)).toMatchObject([{ id, kind: null, expiresAt: null }]);
  });

  it('are removed only when no scan of the organization is open', async () => {
    const { organizationId, id } = await connected('used');
    const scanNo = await addScanOf(organizationId);
    expect(await removeConnection(store.db, id)).toMatchObject({ status: 'in_use', scanIds: [expect.any(String)] });
    await finishScan(store.db, scanNo, { end: 'cancelled', maxConcurrent: 1 });
    expect(await removeConnection(store.db, id)).toEqual({ status: 'removed' });
    expect(await removeConnection(store.db, id)).toEqual({ status: 'unknown' });
    expect(await loadActive(store.db, organizationId)).toBeUndefined();
  });
});
