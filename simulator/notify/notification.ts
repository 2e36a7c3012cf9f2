import type { MailEvent } from '../tenant/journal.ts';
import { type Folder, isHiddenAnywhere, isInTree } from '../tenant/folder.ts';
import { type ChangeType, expirationOf, type Subscription } from './subscription.ts';

/** A change as notifications tell it: a move is a departure and an arrival. */
export interface ToldChange {
  changeType: ChangeType;
  folder: Folder;
  /** The default id of the message in that folder. */
  entryId: string;
}

/** What notifications tell of an event. */
export function toldChanges({ mailbox, change }: MailEvent): readonly ToldChange[] {
  const { kind, ordinal, folder, left } = change;
  const told: ToldChange[] = [];
  if (left) told.push({ changeType: 'deleted', ...left });
  if (kind === 'deleted') return told;
  const changeType = kind === 'changed' || kind === 'read' ? 'updated' : 'created';
  return [...told, { changeType, folder, entryId: mailbox.idOf(ordinal, false) }];
}

/** Whether a subscription is for such changes. Hidden folders and those outside the tree have to be asked for by name. */
export function concerns(subscription: Subscription, { changeType, folder }: ToldChange): boolean {
  if (!subscription.changeTypes.has(changeType)) return false;
  if (subscription.folder) return subscription.folder === folder;
  return isInTree(folder) && !isHiddenAnywhere(folder);
}

/**
 * The JSON of a notification.
 * Source: https://learn.microsoft.com/graph/api/resources/changenotification
 */
export function notificationJson(
  id: string,
  tenantId: string,
  subscription: Subscription,
  { mailbox, user, change: { ordinal } }: MailEvent,
  { changeType, entryId }: ToldChange,
): string {
  const messageId = subscription.immutableIds ? mailbox.ids.immutable(ordinal) : entryId;
  const resource = `Users/${user.id}/Messages/${messageId}`;
  const changeKey = mailbox.ids.changeKey(ordinal, mailbox.entries.get(ordinal)?.version ?? 0);
  return JSON.stringify({
    id,
    subscriptionId: subscription.id,
    subscriptionExpirationDateTime: expirationOf(subscription),
    clientState: subscription.clientState,
    changeType,
    resource,
    tenantId,
    resourceData: {
      '@odata.type': '#Microsoft.Graph.Message',
      '@odata.id': resource,
      '@odata.etag': `W/"${changeKey}"`,
      id: messageId,
    },
  });
}

export const LIFECYCLE_EVENTS = ['missed', 'subscriptionRemoved', 'reauthorizationRequired'] as const;
export type LifecycleEvent = (typeof LIFECYCLE_EVENTS)[number];

/**
 * The JSON of a lifecycle notification.
 * Source: https://learn.microsoft.com/graph/change-notifications-lifecycle-events
 */
export function lifecycleJson(tenantId: string, subscription: Subscription, event: LifecycleEvent): string {
  return JSON.stringify({
    subscriptionId: subscription.id,
    subscriptionExpirationDateTime: expirationOf(subscription),
    tenantId,
    clientState: subscription.clientState,
    lifecycleEvent: event,
  });
}
