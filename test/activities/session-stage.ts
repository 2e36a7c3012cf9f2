import { afterAll, beforeAll } from 'vitest';
import { GraphConnections } from '../../activities/graph-connections.ts';
import { openGraph, type GraphOptions } from '../../graph/graph.ts';
import type { SessionSettings } from '../../model/session.ts';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../simulator/index.ts';
import { loadActive, promoteCandidate } from '../../store/connections.ts';
import { ensureOrganization, type Organization } from '../../store/organizations.ts';
import { followUsers } from '../../store/session-mailboxes.ts';
import { addSession, type SessionRow } from '../../store/sessions.ts';
import { unique, useStore, user, type StoreFixture } from '../store/support.ts';

/** A session over a simulated tenant and a real PostgreSQL, without Temporal. */
export interface SessionStage {
  readonly store: StoreFixture;
  readonly simulator: Simulator;
  readonly connections: GraphConnections;
  readonly organization: Organization;
  /** The one that was started last. */
  readonly session: SessionRow;
  /** What its activities are called with. */
  readonly name: { readonly organizationId: string; readonly sessionNo: number };
  /** Ids of the mailboxes, as the simulator lists them. */
  readonly mailboxes: readonly string[];
  /** Starts a session that follows all mailboxes, of an organization of its own. */
  start(settings?: Partial<SessionSettings>): Promise<SessionRow>;
  /** Has the session follow mailboxes. */
  follow(mailboxIds: readonly string[]): Promise<void>;
}

export function useSession(
  tenant: SimulatorOptions['tenant'],
  { graph = {}, ...simulated }: Omit<SimulatorOptions, 'tenant'> & { readonly graph?: Partial<GraphOptions> } = {},
): SessionStage {
  const store = useStore();
  const log = { debug() {}, info() {}, warn() {} };
  const state = {} as { simulator: Simulator; connections: GraphConnections; session: SessionRow };
  let organization: Organization;
  beforeAll(async () => {
    state.simulator = await startSimulator({
      ...simulated,
      tenant: { specialUsers: false, oddMessages: false, ...tenant },
    });
    const urls = { graphUrl: state.simulator.url, authorityUrl: state.simulator.url };
    state.connections = new GraphConnections(
      (organizationId) => loadActive(store.db, organizationId),
      (connection) => openGraph(connection, { log, ...urls, ...graph }),
    );
  });
  afterAll(async () => {
    await state.connections.close();
    await state.simulator.close();
  });
  const mailboxes = (): string[] => state.simulator.control.truth.mailboxes().map(({ id }) => id);
  const follow = (mailboxIds: readonly string[]): Promise<void> =>
    followUsers(store.db, organization, {
      sessionNo: state.session.sessionNo,
      tenantId: state.simulator.tenantId,
      users: mailboxIds.map((id) => ({ user: user(id) })),
    });
  return {
    store,
    get simulator() {
      return state.simulator;
    },
    get connections() {
      return state.connections;
    },
    get organization() {
      return organization;
    },
    get session() {
      return state.session;
    },
    get name() {
      const { organizationId, sessionNo } = state.session;
      return { organizationId, sessionNo };
    },
    get mailboxes() {
      return mailboxes();
    },
    async start(settings = {}) {
      const { tenantId, clientId, clientSecret } = state.simulator;
      organization = await ensureOrganization(store.db, unique('followed'));
      state.session = await addSession(store.db, {
        organizationId: organization.organizationId,
        sessionId: unique('session'),
        pollingMode: 'scheduled',
        pollingSeconds: 300,
        notifications: true,
        notificationUrl: 'http://localhost:1',
        markAsRead: false,
        onlyUnread: false,
        filters: { folders: ['all'] },
        ...settings,
        candidate: { tenantId, clientId, cloud: 'global', credential: { kind: 'secret', clientSecret } },
      });
      await promoteCandidate(store.db, state.session.scanNo);
      await follow(mailboxes());
      return state.session;
    },
    follow,
  };
}
