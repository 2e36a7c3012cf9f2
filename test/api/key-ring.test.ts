import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { describeKey } from '../../api/key-ring-report.ts';
import { generateKey } from '../../config/key-ring.ts';
import { LiveKeyRing } from '../../config/live-key-ring.ts';
import { closeDatabase, openDatabase, query, type Database } from '../../store/database.ts';
import { loadCandidate, promoteCandidate } from '../../store/connections.ts';
import { ensureOrganization } from '../../store/organizations.ts';
import { addScan } from '../../store/scans.ts';
import { environmentFor, listOf, openApiStage, textOf, type ApiStage } from './support/stage.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const idOf = (entry: string): string => entry.split(':')[0] ?? '';
const candidate = {
  tenantId: 'contoso.onmicrosoft.example',
  clientId: 'client-id-0001',
  cloud: 'global',
  credential: { kind: 'secret', clientSecret: 'a-secret-of-the-tenant' },
} as const;

let scans = 0;
/** Stores a credential as a process with these keys would. */
async function addCredential(db: Database): Promise<number> {
  await ensureOrganization(db, 'contoso');
  const scan = { organizationId: 'contoso', scanId: `s${++scans}`, mode: 'full', filters: { folders: [] } } as const;
  return (await addScan(db, { ...scan, status: 'pending', candidate })).scanNo;
}

const storeOf = (stage: ApiStage, sources: { keys?: string; file?: string }): Database =>
  openDatabase({
    url: stage.environment['DATABASE_URL'] ?? '',
    sealer: new LiveKeyRing(sources, () => undefined),
    log: silent,
  });

describe('keys in a file', () => {
  let stage: ApiStage;
  let worker: Database;
  let folder: string;
  let file: string;
  const first = generateKey();
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'outhaul-api-keys-'));
    file = join(folder, 'keys');
    await writeFile(file, `${first}\n`, { mode: 0o600 });
    stage = await openApiStage({ environment: { OUTHAUL_KEYS: '', OUTHAUL_KEYS_FILE: file } });
    worker = storeOf(stage, { file });
  });
  afterEach(async () => {
    await closeDatabase(worker);
    await stage.close();
    await rm(folder, { recursive: true });
  });

  it('rotate: a new key seals everything, in every process, and the old one is kept as long as it is needed', async () => {
    const scanNo = await addCredential(worker);
    const { status, body } = await stage.call('POST', '/api/v1/maintenance/rotate-keys');
    expect(status).toBe(200);
    const fresh = textOf(body['currentKeyId']);
    expect(body).toMatchObject({ newKey: true, resealed: 1, source: 'file' });
    expect(body['message']).toBe(`The key "${fresh}" was made and seals from now on; 1 credential was sealed anew`);
    expect(listOf(body['keys'])).toMatchObject([
      { keyId: fresh, use: 'seals', credentials: 1, retiredAt: null, mayBeDropped: false },
      { keyId: idOf(first), use: 'opens', credentials: 0, runningWorkflows: 0, endedWorkflows: 0, mayBeDropped: true },
    ]);
    expect((await readFile(file, 'utf8')).split('\n').map(idOf)).toEqual([fresh, idOf(first), '']);
    expect(await loadCandidate(worker, scanNo)).toEqual(candidate);
    await addCredential(worker);
    const { body: after } = await stage.call('GET', '/api/v1/maintenance/key-ring');
    expect(listOf(after['keys'])).toMatchObject([{ keyId: fresh, credentials: 2 }, { credentials: 0 }]);
    const audit = await query(stage.db, {
      text: `SELECT target, details FROM outhaul.audit_log WHERE action = 'maintenance.rotate-keys'`,
    });
    expect(audit).toEqual([{ target: `sealing-key:${fresh}`, details: { newKey: true, resealed: 1 } }]);
  });

  it('are not lost when several rotate at a time', async () => {
    const rotations = await Promise.all(
      [1, 2, 3].map(() => stage.call('POST', '/api/v1/maintenance/rotate-keys?newKey=true')),
    );
    expect(rotations.map(({ status }) => status)).toEqual([200, 200, 200]);
    const made = rotations.map(({ body }) => textOf(body['currentKeyId']));
    const kept = (await readFile(file, 'utf8')).trim().split('\n').map(idOf);
    expect(kept).toHaveLength(4);
    expect(kept).toEqual(expect.arrayContaining([...made, idOf(first)]));
  });

  it('seal anew without a new key where none is asked for', async () => {
    const before = await readFile(file, 'utf8');
    const { body } = await stage.call('POST', '/api/v1/maintenance/rotate-keys?newKey=false');
    expect(body).toMatchObject({ newKey: false, resealed: 0 });
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  it('that were dropped too early are named, with what to do, and open again when they are put back', async () => {
    await stage.call('POST', '/api/v1/maintenance/rotate-keys');
    const scanNo = await addCredential(worker);
    expect(await promoteCandidate(worker, await addCredential(worker))).toBe(true);
    const whole = await readFile(file, 'utf8');
    const dropped = idOf(whole);
    await writeFile(file, `${first}\n`);
    await expect(loadCandidate(worker, scanNo)).rejects.toThrow(`"${dropped}", which the key ring does not hold`);
    const config = { scanId: 'unopened', organizationId: 'contoso', type: ['email'] };
    const refused = await stage.call('POST', '/api/v1/scan/start', { body: { config } });
    expect(refused.status).toBe(500);
    expect(textOf(refused.body['message'])).toContain(`put the key "${dropped}" back into the key ring`);
    const { body } = await stage.call('POST', '/api/v1/maintenance/rotate-keys?newKey=false');
    expect(textOf(body['message'])).toMatch(/2 cannot be opened: their keys are not in the ring/);
    expect(listOf(body['keys']).at(-1)).toMatchObject({ keyId: dropped, use: 'missing', credentials: 2 });
    await writeFile(file, whole);
    expect(await loadCandidate(worker, scanNo)).toEqual(candidate);
  });

  /** No worker does so here. */
  const endRuns = async (organizationId: string): Promise<void> => {
    const connection = await Connection.connect({ address: inject('temporalAddress') });
    const { workflow } = new Client({ connection, namespace: inject('temporalNamespace') });
    const query = `OrganizationId = '${organizationId}' AND ExecutionStatus = 'Running'`;
    await vi.waitFor(
      async () => {
        let ended = 0;
        for await (const { workflowId } of workflow.list({ query })) {
          await workflow.getHandle(workflowId).terminate('test');
          ended += 1;
        }
        expect(ended).toBe(1);
      },
      { timeout: 20_000 },
    );
    await connection.close();
  };

  it('are needed by schedules until they are sealed anew, and have run once more', async () => {
    const organizationId = stage.organization('scheduled');
    const key = await stage.keyOf(organizationId);
    const scan = { organizationId, scanId: 's1', mode: 'full', filters: { folders: [] } } as const;
    await promoteCandidate(worker, (await addScan(worker, { ...scan, status: 'pending', candidate })).scanNo);
    const schedule = { scheduleId: 'weekly', cron: '0 3 * * 0', timeZone: 'UTC' };
    const needed = async (keyId: string): Promise<unknown> => {
      const { body } = await stage.call('GET', '/api/v1/maintenance/key-ring');
      return listOf(body['keys']).find((one) => one['keyId'] === (keyId as unknown))?.['schedules'];
    };
    const [before = ''] = (await readFile(file, 'utf8')).split('\n').map(idOf);
    try {
      expect((await stage.call('POST', '/api/v1/schedules', { key, body: schedule })).status).toBe(201);
      await vi.waitFor(async () => expect(await needed(before)).toBe(1), { timeout: 20_000 });
      const rotated = await stage.call('POST', '/api/v1/maintenance/rotate-keys');
      const after = textOf(rotated.body['currentKeyId']);
      await vi.waitFor(async () => expect([await needed(before), await needed(after)]).toEqual([0, 1]), {
        timeout: 20_000,
      });

      // What a run has come to is handed to the next, sealed as it was.
      expect((await stage.call('POST', '/api/v1/schedules/weekly/trigger', { key })).status).toBe(202);
      await vi.waitFor(
        async () => {
          const { body } = await stage.call('GET', '/api/v1/schedules/weekly', { key });
          expect(listOf(body['schedule']?.['recent'])).toHaveLength(1);
        },
        { timeout: 20_000 },
      );
      await endRuns(organizationId);
      await stage.call('POST', '/api/v1/maintenance/rotate-keys');
      await vi.waitFor(async () => expect(await needed(after)).toBe(1), { timeout: 20_000 });

      const whole = await readFile(file, 'utf8');
      const [newest = ''] = whole.split('\n').map(idOf);
      await writeFile(file, whole.split('\n').slice(1).join('\n'));
      const { status, body } = await stage.call('POST', '/api/v1/maintenance/rotate-keys?newKey=false');
      await writeFile(file, whole);
      expect(status).toBe(200);
      expect(listOf(body['keys']).at(-1)).toMatchObject({ keyId: newest, use: 'missing', schedules: 1 });
    } finally {
      await stage.call('DELETE', '/api/v1/schedules/weekly', { key });
    }
  });

  it('are an administrator’s business', async () => {
    const key = await stage.keyOf(stage.organization());
    for (const [method, path] of [
      ['POST', 'rotate-keys'],
      ['GET', 'key-ring'],
    ] as const) {
      expect((await stage.call(method, `/api/v1/maintenance/${path}`, { key })).status).toBe(403);
    }
  });
});

describe('keys in the environment', () => {
  const [fresh, old] = [generateKey(), generateKey()];
  let stage: ApiStage;
  let before: Database;
  beforeAll(async () => {
    stage = await openApiStage({ environment: { OUTHAUL_KEYS: `${fresh},${old}` } });
    before = storeOf(stage, { keys: old });
  });
  afterAll(async () => {
    await closeDatabase(before);
    await stage.close();
  });

  it('rotate: what the store holds is sealed under the newest, which only the operator can put there', async () => {
    await addCredential(before);
    const { body } = await stage.call('POST', '/api/v1/maintenance/rotate-keys');
    expect(body).toMatchObject({ currentKeyId: idOf(fresh), source: 'environment', newKey: false, resealed: 1 });
    const { body: again } = await stage.call('POST', '/api/v1/maintenance/rotate-keys');
    expect(textOf(again['message'])).toMatch(/to rotate, put a new one there/);
  });

  it('cannot be added to by the API', async () => {
    const { status, body } = await stage.call('POST', '/api/v1/maintenance/rotate-keys?newKey=true');
    expect(status).toBe(409);
    expect(textOf(body['message'])).toMatch(/OUTHAUL_KEYS, which only you can change/);
    expect((await stage.call('POST', '/api/v1/maintenance/rotate-keys?newKey=maybe')).status).toBe(400);
  });
});

it('a process without any key does not start', async () => {
  const environment = {
    ...environmentFor('postgres://127.0.0.1:1/none'),
    OUTHAUL_KEYS: '',
    OUTHAUL_KEYS_FILE: '/none',
  };
  await expect(openApiStage({ environment })).rejects.toThrow('The key file /none cannot be read: ENOENT');
});

describe('the advice about a key', () => {
  const facts = { keyId: 'k1', use: 'opens', credentials: 0, retiredAt: '2026-11-21T09:00:00.000Z' } as const;
  it.each([
    [{ running: 0, ended: 0 }, 0, true, /may be dropped/],
    [{ running: 0, ended: 7 }, 0, false, /Nothing that runs needs it\. Without it, 7 ended workflows cannot be shown/],
    [{ running: 2, ended: 7 }, 0, false, /wait until they have ended/],
    [{ running: 0, ended: 0 }, 3, false, /Credentials need it: run `outhaul keys rotate --reseal-only`/],
    [undefined, 0, false, /never been retired/],
    [{ running: 0, ended: 7 }, 0, false, /Schedules need it until they have run once more/, 2],
    [{ running: 0, ended: 0 }, 0, false, /Schedules need it/, 1],
  ])('%j and %d credentials', (workflows, credentials, mayBeDropped, advice, schedules = 0) => {
    const key = describeKey({ ...facts, workflows, credentials, schedules });
    expect(key).toMatchObject({ mayBeDropped });
    expect(key.advice).toMatch(advice);
  });
});
