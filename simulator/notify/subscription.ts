import type { Folder } from '../tenant/folder.ts';
import type { User } from '../tenant/users.ts';

export const CHANGE_TYPES = ['created', 'updated', 'deleted'] as const;
export type ChangeType = (typeof CHANGE_TYPES)[number];

/** A subscription for the messages of one mailbox, or of one of its folders. */
export interface Subscription {
  id: string;
  /** Rises from one subscription to the next; pages of the list follow it. */
  number: number;
  user: User;
  /** Undefined: every folder of the visible tree. */
  folder: Folder | undefined;
  /** The resource as it was asked for. */
  resource: string;
  changeType: string;
  changeTypes: ReadonlySet<ChangeType>;
  notificationUrl: string;
  lifecycleNotificationUrl: string | null;
  clientState: string | null;
  latestSupportedTlsVersion: string | null;
  /** The ids that its notifications carry. */
  immutableIds: boolean;
  /** Milliseconds since 1970. */
  expiresAt: number;
  /** `reauthorizationRequired` was sent and neither a renewal nor a reauthorization has come since. */
  mustReauthorize: boolean;
}

/** What a new subscription must say of itself. */
export type NewSubscription = Omit<Subscription, 'id' | 'number' | 'mustReauthorize'>;

/** When a subscription ends, in the form of Graph's bodies. */
export function expirationOf({ expiresAt }: Subscription): string {
  return new Date(expiresAt).toISOString();
}
