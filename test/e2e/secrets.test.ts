import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseKeyRing } from '../../config/key-ring.ts';
import { freePort } from '../../embedded/index.ts';
import { isFinal, type ScanStatus } from '../../model/scan.ts';
import { sealedUnder } from '../../model/sealing.ts';
import { startSimulator, type Simulator } from '../../simulator/index.ts';
import { closeDatabase, openDatabase, query } from '../../store/database.ts';
import { processesNaming, startOuthaul, type Outhaul } from '../cli/outhaul-process.ts';
import { PLANTED, filesBelow, findPlanted, plantedMessage } from './planted.ts';

const { History } = proto.temporal.api.history.v1;
const ORGANIZATION = 'harbour';
const MAILBOX = PLANTED.ownerAddress;
/** Of every access token that the simulator issues: `{"typ":"JWT"` in base64. */
const TOKEN = 'eyJ0eXAiOiJKV1Qi';
const LONG = { timeout: 90_000, interval: 200 };

let folder: string;
let simulator: Simulator;
let command: Outhaul;
let apiUrl: string;
let adminKey: string;
let databaseUrl: string;
let temporal: Connection;
/** The folder whose pages Graph refuses in the second scan. */
let failing: string;
const refusals: Record<string, string> = {};
let storedMeanwhile: Record<string, Buffer> = {};

const dataPath = (...names: string[]): string => join(folder, 'data', ...names);

/** The whole product in its own processes, as `outhaul up` runs it, over a tenant with planted mail. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outhaul-secrets-'));
  simulator = await startSimulator({
    tenant: {
      mailboxes: 0,
      messages: 0,
      specialUsers: false,
      clientSecret: PLANTED.clientSecret,
      users: [{ userPrincipalName: MAILBOX, displayName: PLANTED.ownerName }],
    },
  });
  for (let number = 0; number < 8; number++) {
    simulator.control.addMessage({ mailbox: MAILBOX, folder: 'inbox' }, plantedMessage(number));
  }
  failing = simulator.control.createFolder(MAILBOX, 'inbox', PLANTED.folder).id;
  simulator.control.addMessage({ mailbox: MAILBOX, folder: failing }, plantedMessage(100));
  const port = String(await freePort());
  command = startOuthaul(['up', '--port', port, '--temporal-port', '0', '--ui-port', '0'], {
    OUTHAUL_DATA_DIR: dataPath(),
    OUTHAUL_PUBLIC_URL: `http://127.0.0.1:${port}`,
    OUTLOOK_API_BASE_URL: simulator.url,
    OUTHAUL_AUTHORITY_URL: simulator.url,
    LOG_LEVEL: 'debug',
    BATCH_SIZE: '2',
    MAX_RETRIES: '2',
  });
  await command.says('Outhaul runs');
  const said = (pattern: RegExp): Promise<string> =>
    vi.waitUntil(() => pattern.exec(command.out())?.[1], { timeout: 10_000 });
  apiUrl = await said(/API +(http:\S+)\s/);
  databaseUrl = await said(/psql '(\S+)'/);
  adminKey = (await readFile(dataPath('api-key'), 'utf8')).trim();
  temporal = await Connection.connect({ address: temporalAddress() });
}, 180_000);

afterAll(async () => {
  await temporal?.close();
  command?.kill('SIGTERM');
  await command?.ended;
  await simulator?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const temporalAddress = (): string => {
  const [line = ''] = processesNaming(dataPath()).filter((process) => process.includes('server start-dev'));
  return `127.0.0.1:${/--port (\d+)/.exec(line)?.[1] ?? ''}`;
};

async function call(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
  const response = await fetch(`${apiUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) refusals[`${Object.keys(refusals).length} ${method} ${path} ${response.status}`] = text;
  return { status: response.status, text };
}

const startScan = (scanId: string, clientSecret: string = PLANTED.clientSecret, more: object = {}) => {
  const { tenantId, clientId } = simulator;
  const auth = { tenantId, clientId, clientSecret, ...more };
  const filters = { folders: ['all'], mailboxes: { include: [MAILBOX] } };
  const config = { scanId, organizationId: ORGANIZATION, type: ['email'], auth, filters };
  return call('POST', '/api/v1/scan/start', { config });
};

const ended = (scanId: string): Promise<ScanStatus> =>
  vi.waitFor(
    async () => {
      const { text } = await call('GET', `/api/v1/scan/${scanId}/status`);
      const { status } = JSON.parse(text) as { status: ScanStatus };
      if (!isFinal(status)) throw new Error(text);
      return status;
    },
    { timeout: 150_000, interval: 200 },
  );

/** A client command with the key from the data folder. */
async function outhaul(...args: string[]) {
  const asking = startOuthaul([...args, '--url', apiUrl, '--data-dir', dataPath()]);
  return { code: await asking.ended, out: asking.out(), notes: asking.notes() };
}

const pidOf = (option: string): number =>
  Number.parseInt(processesNaming(dataPath()).find((line) => line.includes(option)) ?? '', 10);

const keyIds = async (): Promise<readonly string[]> => parseKeyRing(await readFile(dataPath('keys'), 'utf8')).keyIds;

/** Every workflow's history and description, and every Schedule, as Temporal holds them, without decoding anything. */
async function storedHistories(): Promise<Record<string, Buffer>> {
  const { workflow, schedule, workflowService } = new Client({ connection: temporal });
  const stored: Record<string, Buffer> = {};
  for await (const { workflowId, runId } of workflow.list()) {
    const execution = { workflowId, runId };
    const { history } = await workflowService.getWorkflowExecutionHistory({ namespace: 'default', execution });
    stored[`history of ${workflowId} ${runId}`] = Buffer.from(History.encode(history ?? {}).finish());
    const description = await workflowService.describeWorkflowExecution({ namespace: 'default', execution });
    stored[`description of ${workflowId} ${runId}`] = Buffer.from(
      proto.temporal.api.workflowservice.v1.DescribeWorkflowExecutionResponse.encode(description).finish(),
    );
  }
  for await (const { scheduleId } of schedule.list()) {
    const description = await workflowService.describeSchedule({ namespace: 'default', scheduleId });
    stored[`Schedule ${scheduleId}`] = Buffer.from(
      proto.temporal.api.workflowservice.v1.DescribeScheduleResponse.encode(description).finish(),
    );
  }
  return stored;
}

/** Waits until a reader's activity has told Temporal of its progress, and checks that it is not told in the clear. */
async function heartbeat(): Promise<void> {
  const { workflow } = new Client({ connection: temporal });
  const [mailbox] = simulator.control.truth.mailboxes();
  const reader = workflow.getHandle(`mailbox/${ORGANIZATION}/${mailbox?.id ?? ''}`);
  await vi.waitFor(
    async () => {
      const { raw } = await reader.describe();
      const details = (raw.pendingActivities ?? []).flatMap(({ heartbeatDetails }) => heartbeatDetails?.payloads ?? []);
      expect(details).not.toEqual([]);
      for (const { metadata } of details) {
        expect(Buffer.from(metadata?.['encoding'] ?? []).toString()).toBe('binary/encrypted');
      }
    },
    { timeout: 30_000, interval: 200 },
  );
}

/** Every payload inside a message of Temporal, but for search attributes, which Temporal needs in the clear. */
function payloadsIn(value: unknown): { metadata?: Record<string, Uint8Array>; data?: Uint8Array }[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  if ('metadata' in value && 'data' in value) return [value as never];
  return Object.entries(value).flatMap(([name, member]) => (name === 'searchAttributes' ? [] : payloadsIn(member)));
}

describe('secrets and mail', { timeout: 300_000 }, () => {
  it('go through a scan with a refused credential, a crash and a rotation of the keys', async () => {
    expect((await startScan('refused', PLANTED.wrongSecret)).status).toBe(422);
    const hold = simulator.control.hold({ kind: 'messagesDelta', after: 3 });
    expect((await startScan('first')).status).toBe(202);
    await hold.reached();
    await heartbeat();
    storedMeanwhile = await storedHistories();
    const [worker, api] = [pidOf('--ready-file'), pidOf('--admin-key-file')];
    const [old] = await keyIds();

    const rotated = await outhaul('keys', 'rotate');
    expect(rotated).toMatchObject({ code: 0 });
    expect(rotated.notes).toContain('1 credential was sealed anew');
    const [fresh] = await keyIds();
    expect(await keyIds()).toEqual([fresh, old]);
    expect((await stat(dataPath('keys'))).mode & 0o777).toBe(0o600);
    expect((await outhaul('keys', 'status')).out).toContain(
      `${old}: Workflows that began before it was retired need it: wait until they have ended.`,
    );
    expect([pidOf('--ready-file'), pidOf('--admin-key-file')]).toEqual([worker, api]);

    // The old key is dropped too early: the next worker says so, and goes on as soon as the key is back.
    const whole = await readFile(dataPath('keys'), 'utf8');
    await writeFile(dataPath('keys'), `${whole.split('\n')[0]}\n`);
    process.kill(worker, 'SIGKILL');
    await command.says('The worker runs again.');
    await vi.waitFor(
      async () => {
        const log = await readFile(dataPath('logs', 'worker.log'), 'utf8');
        expect(log).toContain(`Sealed under the key \\"${old}\\", which the key ring does not hold. Put it back`);
      },
      { timeout: 60_000, interval: 200 },
    );
    await writeFile(dataPath('keys'), whole);
    hold.release();
    expect(await ended('first')).toBe('completed');
  });

  it('were sealed by the running processes with the new key as soon as there was one', async () => {
    const [fresh, old] = await keyIds();
    const { workflow, workflowService } = new Client({ connection: temporal });
    const keys = new Set<string>();
    for await (const { workflowId, runId } of workflow.list()) {
      const execution = { workflowId, runId };
      const { history } = await workflowService.getWorkflowExecutionHistory({ namespace: 'default', execution });
      const payloads = payloadsIn(history);
      expect(payloads.length).toBeGreaterThan(0);
      for (const { metadata, data } of payloads) {
        expect(Buffer.from(metadata?.['encoding'] ?? []).toString()).toBe('binary/encrypted');
        keys.add(sealedUnder(data ?? new Uint8Array()));
      }
    }
    expect([...keys].sort()).toEqual([fresh, old].sort());
  });

  it('are decoded for an administrator through the codec endpoint, under either key', async () => {
    const { workflow, workflowService } = new Client({ connection: temporal });
    const handle = workflow.getHandle(`scan/${ORGANIZATION}/first`);
    const { history } = await workflowService.getWorkflowExecutionHistory({
      namespace: 'default',
      execution: { workflowId: handle.workflowId },
    });
    const base64 = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('base64');
    const payloads = payloadsIn(history).map(({ metadata, data }) => ({
      metadata: { encoding: base64(metadata?.['encoding']) },
      data: base64(data),
    }));
    const decode = () => call('POST', '/codec/decode', { payloads });
    const { status, text } = await decode();
    expect(status).toBe(200);
    const decoded = (JSON.parse(text) as { payloads: { data?: string }[] }).payloads;
    expect(decoded.map(({ data = '' }) => Buffer.from(data, 'base64').toString()).join()).toContain('"scanId":"first"');

    const whole = await readFile(dataPath('keys'), 'utf8');
    const [fresh = '', old = ''] = whole.trim().split('\n');
    await writeFile(dataPath('keys'), fresh);
    const refused = await decode();
    expect(refused.status).toBe(422);
    expect(refused.text).toContain(`Sealed under the key \\"${old.split(':')[0]}\\", which the key ring does not hold`);
    await writeFile(dataPath('keys'), whole);
    expect((await decode()).status).toBe(200);
  });

  it('can be asked for by the embedded Web UI, which knows the endpoint and is let in', async () => {
    const ui = /Temporal Web UI +(http:\S+)/.exec(command.out())?.[1] ?? '';
    const settings = (await (await fetch(`${ui}/api/v1/settings`)).json()) as { Codec: { Endpoint: string } };
    expect(settings.Codec.Endpoint).toBe(`${apiUrl}/codec`);
    const preflight = await fetch(`${apiUrl}/codec/decode`, {
      method: 'OPTIONS',
      headers: { origin: new URL(ui).origin, 'access-control-request-method': 'POST' },
    });
    expect(preflight.headers.get('access-control-allow-origin')).toBe(new URL(ui).origin);
  });

  it('go through a scan with a failing folder, a message that PostgreSQL refuses, and a crash of PostgreSQL', async () => {
    const db = openDatabase({
      url: databaseUrl,
      sealer: parseKeyRing(await readFile(dataPath('keys'), 'utf8')),
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    try {
      const [organization] = await query<{ schema: string }>(db, {
        text: 'SELECT schema_name AS schema FROM outhaul.organizations WHERE organization_id = $1',
        values: [ORGANIZATION],
      });
      // As PostgreSQL itself does it: the details hold the row.
      const emails = `"${organization?.schema}".emails`;
      await query(db, {
        text: `CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION USING ERRCODE = '22P02', MESSAGE = 'refused', DETAIL = 'Failing row contains ' || NEW::text;
          END $$`,
        values: [],
      });
      await query(db, {
        text: `CREATE TRIGGER refused BEFORE INSERT ON ${emails} FOR EACH ROW
          WHEN (NEW.subject = '${PLANTED.subject} 666') EXECUTE FUNCTION public.refuse()`,
        values: [],
      });
    } finally {
      await closeDatabase(db);
    }
    simulator.control.addMessage({ mailbox: MAILBOX, folder: 'inbox' }, plantedMessage(666));
    simulator.control.failNext({
      ...{ mailbox: MAILBOX, folder: failing, kind: 'messagesDelta', times: 100, status: 400 },
      ...{ code: 'ErrorInvalidRequest', message: `${PLANTED.graphWords} ${MAILBOX}` },
    });
    const hold = simulator.control.hold({ kind: 'messagesDelta' });
    expect((await startScan('second')).status).toBe(202);
    await hold.reached();
    process.kill(pidOf('bin/postgres'), 'SIGKILL');
    await call('GET', '/api/v1/scan/second/status');
    await command.says('PostgreSQL runs again.');
    hold.release();
    expect(await ended('second')).toBe('completed_with_errors');
    const { text } = await call('GET', '/api/v1/scan/second/status');
    expect(text).toContain('folders failed: 1; messages in quarantine: 1');
  });

  it('go through a session with a notification', async () => {
    simulator.control.clearFaults();
    const filters = { folders: ['all'], mailboxes: { include: [MAILBOX] } };
    expect((await call('POST', '/session/start', { polling_interval: 3600, filters })).status).toBe(200);
    const until = (wanted: object) =>
      vi.waitFor(
        async () => expect(JSON.parse((await call('GET', '/session/status')).text)).toMatchObject(wanted),
        LONG,
      );
    await until({
      session: { status: 'running' },
      services: { webhook: { subscriptions: { active: 1 } }, processing: { status: 'idle', mailboxes_due: 0 } },
    });
    const hold = simulator.control.hold({ mailbox: MAILBOX });
    simulator.control.addMessage({ mailbox: MAILBOX, folder: 'inbox' }, plantedMessage(200));
    await hold.reached();
    storedMeanwhile = { ...storedMeanwhile, ...(await storedHistories()) };
    hold.release();
    await until({ loss: { told: 1, missed: 0 }, queue: { waiting: 0, in_work: 0 } });
    expect((await call('POST', '/session/stop', { reason: 'the test is over' })).status).toBe(200);
    await until({ session: { status: 'stopped' } });
  });

  it('go through a schedule that starts a scan of one address', async () => {
    const filters = { folders: ['all'], mailboxes: { include: [MAILBOX] } };
    const schedule = { scheduleId: 'nightly', organizationId: ORGANIZATION, intervalSeconds: 86_400, filters };
    expect((await call('POST', '/api/v1/schedules', schedule)).status).toBe(201);
    expect((await call('POST', '/api/v1/schedules/nightly/trigger')).status).toBe(202);
    const scanId = await vi.waitFor(async () => {
      const { text } = await call('GET', '/api/v1/schedules/nightly');
      const [run] = (JSON.parse(text) as { schedule: { recent: { scanId: string }[] } }).schedule.recent;
      if (!run) throw new Error(text);
      return run.scanId;
    }, LONG);
    expect(await ended(scanId)).toBe('completed_with_errors');
  });

  it('go through a retry of what PostgreSQL refused', async () => {
    const retried = await call('POST', '/api/v1/quarantine/retry', { all: true });
    expect(retried).toMatchObject({ status: 202, text: expect.stringContaining('"mailboxes":1') as string });
    await vi.waitFor(async () => {
      const { text } = await call('GET', '/api/v1/quarantine');
      const { messages } = JSON.parse(text) as { messages: { retryRequestedAt: string | null; attempts: number }[] };
      expect(messages).not.toEqual([]);
      for (const message of messages) expect(message.retryRequestedAt).toBeNull();
      expect(Math.max(...messages.map(({ attempts }) => attempts))).toBeGreaterThan(1);
    }, LONG);
  });

  it('go through a check of the connection by the address of a mailbox, known and unknown', async () => {
    const { text } = await call('GET', '/api/v1/connections');
    const [id = ''] = (JSON.parse(text) as { connections: { id: string }[] }).connections.map((one) => one.id);
    const check = (mailbox: string) => call('POST', `/api/v1/connections/${id}/check`, { mailbox });
    expect((await check(MAILBOX)).status).toBe(200);
    expect((await check(PLANTED.recipientAddress)).status).toBe(200);
  });

  it('stand in no error answer', async () => {
    await call('POST', '/api/v1/scan/start', `{"config": {"auth": {"clientSecret": "${PLANTED.clientSecret}"`);
    await startScan('bad id!', PLANTED.clientSecret);
    await startScan('third', PLANTED.clientSecret, { clientId: 'short', unknown: PLANTED.clientSecret });
    await startScan('fourth', PLANTED.clientSecret, { tenantId: { of: PLANTED.clientSecret } });
    await call('GET', '/api/v1/scan/unknown/status');
    expect(Object.keys(refusals).length).toBeGreaterThan(5);
    expect(findPlanted({ ...PLANTED, TOKEN, adminKey, password: passwordOf(databaseUrl) }, refusals)).toEqual([]);
  });

  it('stand in the clear in no history, description, search attribute, id or summary of Temporal', async () => {
    const stored = await storedHistories();
    expect(Object.keys(stored).length).toBeGreaterThan(4);
    expect(Object.keys(storedMeanwhile).length).toBeGreaterThan(3);
    expect(Object.keys(storedMeanwhile)).toContain(`Schedule sweep/${ORGANIZATION}`);
    const kinds = ['scan', 'mailbox', 'connection', 'session', 'sweep', 'retry', 'schedule'];
    for (const kind of kinds) expect(Object.keys(stored).join('\n')).toContain(` ${kind}/${ORGANIZATION}`);
    expect(Object.keys(stored)).toContain(`Schedule schedule/${ORGANIZATION}/nightly`);
    expect(findPlanted({ ...PLANTED, TOKEN, adminKey }, storedMeanwhile)).toEqual([]);
    expect(findPlanted({ scanId: 'first' }, stored)).not.toEqual([]);
    expect(findPlanted({ ...PLANTED, TOKEN, adminKey }, stored)).toEqual([]);
  });

  it('stand in no log and nowhere in what Temporal keeps on disk', async () => {
    const keys = (await readFile(dataPath('keys'), 'utf8')).trim().split('\n');
    await temporal.close();
    command.kill('SIGINT');
    expect(await command.ended).toBe(0);
    const secrets = Object.fromEntries(keys.map((key, at) => [`key ${at}`, key.split(':')[1] ?? '']));
    const texts = { ...PLANTED, ...secrets, TOKEN, adminKey, password: passwordOf(databaseUrl) };
    const kept = await filesBelow(dataPath(), (path) => path.startsWith(dataPath('temporal')) || path.endsWith('.log'));
    const names = Object.keys(kept).join('\n');
    for (const name of ['api.log', 'worker.log', 'temporal.log', 'postgres.log', 'temporal.db']) {
      expect(names).toContain(name);
    }
    expect(kept[dataPath('logs', 'api.log')]?.toString()).toContain('"level":"DEBUG"');
    const inDatabase = Object.entries(kept).filter(([path]) => path.startsWith(dataPath('temporal', 'temporal.db')));
    expect(findPlanted({ scanId: 'second' }, Object.fromEntries(inDatabase))).not.toEqual([]);
    expect(findPlanted(texts, kept)).toEqual([]);
    expect(findPlanted({ ...PLANTED, ...secrets, TOKEN }, { 'what up says': command.out() + command.notes() })).toEqual(
      [],
    );
  });
});

const passwordOf = (url: string): string => new URL(url).password;
