import type { Config } from '../config/config.ts';
import type { LiveKeyRing } from '../config/live-key-ring.ts';
import type { BlobStores } from '../store/blobs/blob-store.ts';
import type { Database } from '../store/database.ts';
import type { ConnectionWorkflows } from './connection-workflows.ts';
import type { ContactWorkflows } from './contact-workflows.ts';
import type { DeliveryWorkflows } from './delivery-workflows.ts';
import type { EnvironmentDestinations } from './environment-destinations.ts';
import type { NotificationWorkflows } from './notifications/asking.ts';
import type { NotificationReceiver } from './notifications/receiver.ts';
import type { KeyChecker } from './principal.ts';
import type { QuarantineWorkflows } from './quarantine-workflows.ts';
import type { Reachability } from './reachability.ts';
import type { RedisQueues } from './redis-queues.ts';
import type { ScanSchedules } from './scan-schedules.ts';
import type { ScanWorkflows } from './scan-workflows.ts';
import type { SessionWorkflows } from './session-workflows.ts';
import type { CountBegunBy } from './workflow-counts.ts';

/** What the routes work with; the composition root makes it. */
export interface ApiParts {
  readonly config: Config;
  readonly db: Database;
  readonly blobs: BlobStores;
  readonly environmentDestinations: EnvironmentDestinations;
  readonly redisQueues: RedisQueues;
  readonly wakeReader: NotificationWorkflows['wakeReader'];
  readonly workflows: ScanWorkflows;
  readonly sessions: SessionWorkflows;
  readonly schedules: ScanSchedules;
  readonly connections: ConnectionWorkflows;
  readonly quarantine: QuarantineWorkflows;
  readonly deliveries: DeliveryWorkflows;
  readonly contacts: ContactWorkflows;
  readonly keys: KeyChecker;
  /** Takes Graph's notifications; undefined where none are taken. */
  readonly receiver: NotificationReceiver | undefined;
  /** What secrets are sealed with. */
  readonly keyRing: LiveKeyRing;
  readonly countBegunBy: CountBegunBy;
  readonly reachability: () => Promise<Reachability>;
  /** Outhaul's version. */
  readonly version: string;
  /** Aborts when the process is told to end: who waits for something long answers what is known. */
  readonly closing: AbortSignal;
}
