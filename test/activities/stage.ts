import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll } from 'vitest';
import { ByteBudget } from '../../activities/byte-budget.ts';
import { GraphConnections } from '../../activities/graph-connections.ts';
import type { LiveSettings } from '../../activities/live-read.ts';
import { createMailboxActivities, type SliceResult } from '../../activities/mailbox-activities.ts';
import { createScanActivities, type CredentialVerdict, type ScanActivities } from '../../activities/scan-activities.ts';
import { Outboxes } from '../../activities/outbox.ts';
import { openGraph } from '../../graph/graph.ts';
import type { GraphOptions } from '../../graph/options.ts';
import type { ScanFilters, ScanMode, MailboxReport, MailboxWait } from '../../model/scan.ts';
import { startSimulator, type Simulator, type TenantOptions } from '../../simulator/index.ts';
import type { BlobStores } from '../../store/blobs/blob-store.ts';
import { folderBlobStores } from '../../store/blobs/folder-blobs.ts';
import { loadActive } from '../../store/connections.ts';
import { listDestinations } from '../../store/destinations.ts';
import { ensureOrganization, type Organization } from '../../store/organizations.ts';
import { addScan } from '../../store/scans.ts';
import { unique, useStore, type StoreFixture } from '../store/support.ts';

export interface MailboxStage {
  readonly simulator: Simulator;
  readonly store: StoreFixture;
  readonly organization: Organization;
  /** Where contents are stored, a folder of its own. */
  readonly blobs: BlobStores;
  /** Ids of the mailboxes, as the simulator lists them. */
  readonly mailboxes: readonly string[];
  /**
   * One that no test has, nor an earlier attempt of the same test: a file's tenant has some more than its tests need.
   *
   * @throws Error where all are used up
   */
  ownMailbox(): string;
  /** Ids of the messages that Graph shows, sorted; without a folder those of all visible ones. */
  idsIn(mailbox: string, folder?: string): string[];
  /** Ids of the messages that are stored and not marked as deleted, sorted. */
  storedIds(mailbox: string): Promise<string[]>;
  readonly scans: ScanActivities;
  /** Adds a scan, checks its credential and discovers the mailboxes. */
  addScan(
    filters?: Partial<ScanFilters>,
    mode?: ScanMode,
    scanId?: string,
  ): Promise<{ scanNo: number; scanId: string }>;
  /** What the scans were told, in order. */
  readonly reports: readonly (MailboxReport & { readonly scanId: string })[];
  /** Of which mailboxes they were told that Graph makes them wait. */
  readonly waits: readonly (MailboxWait & { readonly scanId: string })[];
  /** The numbers of the destinations that were woken, in order. */
  readonly woken: readonly number[];
  /** Those of a worker that has not read a list of destinations yet. */
  outboxes(): Outboxes;
  /** Runs one slice; `attempt` and `sliceMs` as Temporal and the worker would set them. */
  read(mailboxId: string, scanNo: number | readonly number[], how?: ReadOptions): Promise<SliceResult>;
}

export interface ReadOptions {
  readonly attempt?: number;
  readonly sliceMs?: number;
  readonly pageSize?: number;
  readonly live?: Partial<LiveSettings>;
  /** Default: the stage's. */
  readonly blobs?: BlobStores;
  /** Default: new ones. */
  readonly outboxes?: Outboxes;
  /** Aborts when the worker is told to end. */
  readonly stopping?: AbortSignal;
  readonly environment?: MockActivityEnvironment;
}

/** The activities over a simulated tenant and a real PostgreSQL, without Temporal. */
export function useMailboxes(tenant: TenantOptions, graphOptions: Partial<GraphOptions> = {}): MailboxStage {
  const store = useStore();
  const reports: (MailboxReport & { scanId: string })[] = [];
  const waits: (MailboxWait & { scanId: string })[] = [];
  const log = { debug() {}, info() {}, warn() {} };
  const woken: number[] = [];
  const outboxes = (): Outboxes =>
    new Outboxes({
      list: (organizationId) => listDestinations(store.db, organizationId),
      wake: (destinationNos) => Promise.resolve(void woken.push(...destinationNos)),
      log,
    });
  const state = {} as {
    simulator: Simulator;
    connections: GraphConnections;
    organization: Organization;
    blobs: BlobStores;
    folder: string;
  };
  beforeAll(async () => {
    const simulator = await startSimulator({ tenant: { specialUsers: false, oddMessages: false, ...tenant } });
    const urls = { graphUrl: simulator.url, authorityUrl: simulator.url };
    const connections = new GraphConnections(
      (organizationId) => loadActive(store.db, organizationId),
      (connection) => openGraph(connection, { log, ...urls, ...graphOptions }),
    );
    Object.assign(state, {
      simulator,
      connections,
      organization: await ensureOrganization(store.db, unique('harbour')),
    });
    state.folder = await mkdtemp(join(tmpdir(), 'outhaul-blobs-'));
    state.blobs = folderBlobStores(state.folder);
  });
  afterAll(async () => {
    await state.connections.close();
    await state.simulator.close();
    await rm(state.folder, { recursive: true, force: true });
  });
  let owned = 0;
  const scans = (): ScanActivities =>
    createScanActivities({ db: store.db, connections: state.connections, maxConcurrentScans: 5, log });
  return {
    store,
    reports,
    waits,
    woken,
    get simulator() {
      return state.simulator;
    },
    get organization() {
      return state.organization;
    },
    get blobs() {
      return state.blobs;
    },
    get mailboxes() {
      return state.simulator.control.truth.mailboxes().map(({ id }) => id);
    },
    ownMailbox() {
      const mailbox = state.simulator.control.truth.mailboxes().filter(({ readable }) => readable)[owned++];
      if (!mailbox) throw new Error('The tenant of this file has too few mailboxes for its tests');
      return mailbox.id;
    },
    idsIn: (mailbox, folder) =>
      state.simulator.control.truth
        .page({ mailbox, limit: 10_000, ...(folder && { folder }) })
        .value.map(({ message }) => message['id'] as string)
        .sort(),
    async storedIds(mailbox) {
      const rows = await store.sql<{ id: string }>(
        `SELECT id FROM ${state.organization.schema}.emails WHERE _user_id = $1 AND _deleted_at IS NULL`,
        [mailbox],
      );
      return rows.map(({ id }) => id).sort();
    },
    get scans() {
      return scans();
    },
    async addScan(filters = {}, mode = 'full', scanId = unique('scan')) {
      const { organizationId } = state.organization;
      const { tenantId, clientId, clientSecret } = state.simulator;
      const { scanNo } = await addScan(store.db, {
        organizationId,
        scanId,
        mode,
        status: 'running',
        filters: { folders: ['all'], ...filters },
        candidate: { tenantId, clientId, cloud: 'global', credential: { kind: 'secret', clientSecret } },
      });
      const activities = scans();
      const input = { organizationId, scanNo };
      const verdict: CredentialVerdict = await new MockActivityEnvironment().run(
        (asked: typeof input) => activities.checkCredential(asked),
        input,
      );
      if (verdict.status !== 'accepted') throw new Error(verdict.reason);
      await new MockActivityEnvironment().run((asked: typeof input) => activities.discoverMailboxes(asked), input);
      return { scanNo, scanId };
    },
    outboxes,
    read(mailboxId, scanNo, options = {}) {
      const { attempt = 1, sliceMs = 60_000, pageSize = 50, live, blobs, stopping, environment } = options;
      const activities = createMailboxActivities({
        db: store.db,
        connections: state.connections,
        budget: new ByteBudget(16 << 20),
        outboxes: options.outboxes ?? outboxes(),
        blobs: blobs ?? state.blobs,
        log,
        pageSize,
        attempts: 3,
        sliceMs,
        ...(live && { live }),
        ...(stopping && { stopping }),
        scans: {
          finished: (_organizationId, scanId, report) => Promise.resolve(void reports.push({ scanId, ...report })),
          waits: (_organizationId, scanId, wait) => Promise.resolve(void waits.push({ scanId, ...wait })),
        },
      });
      const { organizationId } = state.organization;
      return (environment ?? new MockActivityEnvironment({ attempt })).run(() =>
        activities.readMailbox({
          organizationId,
          mailboxId,
          waiters: [scanNo].flat().map((no) => ({ scanId: String(no), scanNo: no, ask: 1 })),
        }),
      );
    },
  };
}
