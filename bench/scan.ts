import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { EMAIL_COLUMNS } from '../store/email-columns.ts';
import { openGraph } from '../graph/graph.ts';
import { isFinal, type ScanStatus } from '../model/scan.ts';
import { controlClient } from '../simulator/control-client.ts';
import type { Stats, TenantOptions } from '../simulator/index.ts';
import { actionsOf } from './actions.ts';
import type { RawLoopOptions, RawLoopResult } from './raw-loop.ts';
import { simulate, until, type Rig, type SimulatedTenant } from './rig.ts';

/** One tenant to read and how to read it. */
export interface Workload {
  readonly name: string;
  readonly tenant: TenantOptions;
  readonly pageSize: number;
  readonly latencyMs: number;
  /** Folders that the raw loop walks at a time: as many as the scan has open. */
  readonly walkers: number;
  /** Which folders the scan reads. Default: all. */
  readonly folders?: readonly string[];
}

/** What a scan through Temporal came to. */
export interface ScanFigures {
  readonly messages: number;
  readonly seconds: number;
  readonly messagesPerSecond: number;
  readonly workerRssMb: number;
  /** CPU seconds of the worker for 1,000 messages. */
  readonly cpuPer1000: number;
  /** Requests to Graph for 1,000 messages. */
  readonly requestsPer1000: number;
  /** Temporal actions of all executions. */
  readonly actions: number;
}

/** How often the status is asked for, as someone who watches does. */
const POLL_MS = 500;

/** The whole product over a tenant of its own. */
export async function scan(rig: Rig, workload: Workload, countActions = true): Promise<ScanFigures> {
  const { tenant, latencyMs } = workload;
  const simulated = await simulate({ tenant, latencyMs });
  try {
    return await scanTenant(rig, simulated, workload, countActions);
  } finally {
    await simulated.close();
  }
}

/** The whole product: API, Temporal, worker, store. A fresh worker, so that its peak memory is this scan's. */
export async function scanTenant(
  rig: Rig,
  simulated: SimulatedTenant,
  { pageSize, folders = ['all'] }: Pick<Workload, 'pageSize' | 'folders'>,
  countActions = true,
): Promise<ScanFigures> {
  const worker = await rig.startWorker(simulated, { BATCH_SIZE: String(pageSize) });
  const organizationId = `bench-${randomUUID()}`;
  const { tenantId, clientId, clientSecret } = simulated;
  const started = Date.now();
  await rig.call('POST', '/api/v1/scan/start', {
    config: {
      scanId: 'scan',
      organizationId,
      type: ['email'],
      auth: { tenantId, clientId, clientSecret },
      filters: { folders },
    },
  });
  const status = await until(async () => {
    const answer = await rig.call('GET', `/api/v1/scan/scan/status?organizationId=${organizationId}`);
    return isFinal(answer['status'] as ScanStatus) ? answer : undefined;
  }, POLL_MS);
  const seconds = (Date.parse(String(status['endTime'])) - started) / 1000;
  if (status['status'] !== 'completed') throw new Error(`the scan ended ${String(status['status'])}`);
  const messages = Number(status['recordsExtracted']);
  const { peakRssMb, cpuSeconds } = await worker.usage();
  const requests = await graphRequests(simulated);
  await worker.stop();
  return {
    messages,
    seconds,
    messagesPerSecond: Math.round(messages / seconds),
    workerRssMb: peakRssMb,
    cpuPer1000: round(cpuSeconds / (messages / 1000)),
    requestsPer1000: round(requests / (messages / 1000)),
    actions: countActions ? await actionsOfOrganization(rig, organizationId) : 0,
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

async function graphRequests({ url }: SimulatedTenant): Promise<number> {
  return (await controlClient(url)<Stats>('GET', '/stats')).requests;
}

async function actionsOfOrganization({ temporal }: Rig, organizationId: string): Promise<number> {
  let actions = 0;
  for await (const { workflowId, runId } of temporal.workflow.list({ query: `OrganizationId = "${organizationId}"` })) {
    const { events } = await temporal.workflow.getHandle(workflowId, runId).fetchHistory();
    actions += actionsOf(events ?? []);
  }
  return actions;
}

/** Fetch, parse, bulk upsert, in a process of its own, over the same tenant and database. */
export async function raw(rig: Rig, { tenant, pageSize, latencyMs, walkers }: Workload): Promise<RawLoopResult> {
  // It takes no notice of Graph's limits, so there are none.
  const limits = { mailboxConcurrency: null, mailboxRequests: null, requestsPerSecond: null };
  const simulated = await simulate({ tenant, latencyMs, limits });
  const folders = await foldersOf(simulated);
  await emptyTable(rig.databaseUrl);
  const options: RawLoopOptions = {
    graphUrl: simulated.url,
    token: await tokenOf(simulated),
    databaseUrl: rig.databaseUrl,
    pageSize,
    walkers,
    folders,
  };
  const child = fork(fileURLToPath(new URL('./raw-loop.js', import.meta.url)), [JSON.stringify(options)]);
  const [result] = (await once(child, 'message')) as [RawLoopResult];
  await simulated.close();
  return result;
}

async function emptyTable(databaseUrl: string): Promise<void> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  const [{ schema_name: like } = { schema_name: '' }] = (
    await client.query<{ schema_name: string }>('SELECT schema_name FROM outhaul.organizations LIMIT 1')
  ).rows;
  await client.query(`DROP TABLE IF EXISTS raw_emails;
    CREATE TABLE raw_emails AS SELECT ${EMAIL_COLUMNS.join(', ')} FROM ${like}.emails WITH NO DATA;
    ALTER TABLE raw_emails ALTER COLUMN id TYPE text COLLATE "C", ADD PRIMARY KEY (id)`);
  await client.end();
}

async function tokenOf({ url, tenantId, clientId, clientSecret }: SimulatedTenant): Promise<string> {
  const form = {
    grant_type: 'client_credentials',
    scope: 'https://graph.microsoft.com/.default',
    client_id: clientId,
    client_secret: clientSecret,
  };
  const response = await fetch(`${url}/${tenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams(form),
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

async function foldersOf({
  url,
  tenantId,
  clientId,
  clientSecret,
}: SimulatedTenant): Promise<RawLoopOptions['folders']> {
  const log = { debug() {}, info() {}, warn() {} };
  const connection = { tenantId, clientId, cloud: 'global', credential: { kind: 'secret', clientSecret } } as const;
  const graph = openGraph(connection, { graphUrl: url, authorityUrl: url, log });
  const { signal } = new AbortController();
  const folders: { mailboxId: string; folderId: string }[] = [];
  for await (const { users } of graph.users({}, signal)) {
    for (const { id: mailboxId } of users) {
      const tree = await graph.mailbox(mailboxId).folderTree({}, signal);
      folders.push(...tree.filter(({ isVirtual }) => !isVirtual).map(({ id: folderId }) => ({ mailboxId, folderId })));
    }
  }
  await graph.close();
  return folders;
}
