import { createHash } from 'node:crypto';
import { Agent } from 'undici';
import { SimulatorControl } from './control/control.ts';
import { controlHandler } from './control/http.ts';
import { Entra } from './entra/entra.ts';
import { AccessTokens } from './entra/tokens.ts';
import { Faults } from './faults/faults.ts';
import { Holds } from './msgraph/holds.ts';
import { type LimitOptions, Throttle } from './msgraph/limits.ts';
import { PageCache } from './msgraph/pages.ts';
import { GraphService } from './msgraph/service.ts';
import { StatsCounter } from './msgraph/stats.ts';
import { SyncStates } from './msgraph/sync-state.ts';
import { Notifier } from './notify/notifier.ts';
import { DEFAULT_SETTINGS, type SettingsInForce } from './notify/settings.ts';
import { Subscriptions } from './notify/subscriptions.ts';
import { readMailFolder } from './mail/mail-files.ts';
import { listen } from './server.ts';
import { planTenant, type TenantOptions } from './tenant/options.ts';
import { Tenant } from './tenant/tenant.ts';

export { SimulatorControl } from './control/control.ts';
export type { FailNext, TenantChange, TreeSize } from './control/changes.ts';
export type { ChurnKind, ChurnOptions, ChurnReport } from './control/churn.ts';
export { ControlError } from './control/control-error.ts';
export type { TruthAttachment } from './control/attachment-truth.ts';
export type { MessageBulk } from './control/new-message.ts';
export type { EventPage, EventReport } from './control/events.ts';
export type { FlowKind, FlowReport } from './control/flow.ts';
export type { FlowOptions } from './control/flow-plan.ts';
export type { LifecycleOrder } from './control/notifications-control.ts';
export type { NotificationCounts } from './notify/counts.ts';
export type { LifecycleEvent } from './notify/notification.ts';
export type { SubscriptionMatch, SubscriptionReport } from './control/subscriptions-control.ts';
export type { NotificationSettings } from './notify/settings.ts';
export type { AttachmentRef, FolderRef, MessageRef } from './control/places.ts';
export type { Truth, TruthFolder, TruthMailbox, TruthMessage, TruthQuery, TruthSummary } from './control/truth.ts';
export type { AppState } from './entra/entra.ts';
export type * from './faults/fault-rule.ts';
export type { Hold, HoldMatch } from './msgraph/holds.ts';
export type { LimitOptions, Limits } from './msgraph/limits.ts';
export type { Role } from './msgraph/request.ts';
export type { RouteKind } from './msgraph/route.ts';
export type { MailboxPeak, MailboxStats, Stats } from './msgraph/stats.ts';
export type { AttachmentOptions } from './mail/attachment-plan.ts';
export { type FileContent, GeneratedContent } from './mail/content.ts';
export type { AttachmentRecord } from './mail/record.ts';
export { planTenant } from './tenant/options.ts';
export type { TenantOptions, TenantPlan, UserKind, UserSpec } from './tenant/options.ts';

export interface SimulatorOptions {
  /** Default 0: any free port. */
  port?: number;
  /** Default `127.0.0.1`. */
  host?: string;
  tenant: TenantOptions;
  /** Milliseconds that every Graph request waits before it is answered. Default 0. */
  latencyMs?: number;
  /** Throttling. Default: as Graph documents it. */
  limits?: LimitOptions;
  /** Bytes of rendered pages that are kept to be sent again. Default 128 MB. */
  pageCacheBytes?: number;
}

/** A Microsoft Entra and Microsoft Graph that runs on this machine. */
export interface Simulator {
  /** The base of everything: Graph lies under `{url}/v1.0`, Entra under `{url}/{tenant}`, control under `{url}/_sim`. */
  url: string;
  tenantId: string;
  /** Usable in place of the tenant id. */
  domain: string;
  clientId: string;
  clientSecret: string;
  control: SimulatorControl;
  /** Stops listening and ends open connections. */
  close(): Promise<void>;
}

const DEFAULT_PAGE_CACHE = 128 << 20;

/**
 * Starts a simulator.
 *
 * @throws Error where the port is taken or the mail folder cannot be read.
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const plan = planTenant(options.tenant);
  const tenant = new Tenant(plan, plan.mailFolder === undefined ? [] : await readMailFolder(plan.mailFolder));
  const tokens = new AccessTokens();
  const entra = new Entra(plan, tokens);
  const holds = new Holds();
  const faults = new Faults(tenant);
  const throttle = new Throttle(options.limits ?? {});
  const stats = new StatsCounter(() => throttle.mailboxWindow());
  const latency = { milliseconds: options.latencyMs ?? 0 };
  const pages = new PageCache(options.pageCacheBytes ?? DEFAULT_PAGE_CACHE);
  const subscriptions = new Subscriptions();
  const notifications: SettingsInForce = { current: DEFAULT_SETTINGS };
  const dispatcher = new Agent({ connections: 64, keepAliveTimeout: 30_000 });
  const notifier = new Notifier({ tenantId: plan.tenantId, subscriptions, settings: notifications, dispatcher });
  tenant.journal.listen((event) => notifier.note(event));
  const graph = new GraphService({
    tenant,
    pages,
    tokens,
    holds,
    faults,
    throttle,
    stats,
    latency,
    syncStates: new SyncStates(nameOf(plan)),
    subscriptions,
    notifications,
    dispatcher,
  });
  const control = new SimulatorControl({
    tenant,
    entra,
    tokens,
    holds,
    faults,
    throttle,
    stats,
    latency,
    subscriptions,
    notifications,
    notifier,
  });
  const services = { graph, entra, faults, stats, control: controlHandler(control) };
  const server = await listen(services, { host: options.host ?? '127.0.0.1', port: options.port ?? 0 });
  return {
    url: server.url,
    tenantId: plan.tenantId,
    domain: plan.domain,
    clientId: plan.clientId,
    clientSecret: plan.clientSecret,
    control,
    close: async () => {
      control.stopChurn();
      control.flow.stop();
      notifier.close();
      holds.clear();
      await server.close();
      await dispatcher.destroy();
    },
  };
}

/** Delta tokens stay good when the simulator is started anew with the same tenant, and only then. */
function nameOf(plan: object): string {
  return createHash('sha256').update(JSON.stringify(plan)).digest('hex');
}
