import type { NewHint } from '../../store/hints.ts';
import { HttpError } from '../errors.ts';
import { countRefused, sortOut, type RefusedItem } from './authentic.ts';
import type { MutableFigures } from './figures.ts';
import type { HintWriter } from './hint-writer.ts';
import type { KnownSubscriptions } from './known-subscriptions.ts';
import { parseNotifications } from './notification.ts';
import { RecentVersions } from './recent-versions.ts';
import type { Take } from './router.ts';
import type { SessionCounts } from './session-counts.ts';
import type { SparingLog } from './sparingly.ts';

interface NotificationTakerOptions {
  readonly subscriptions: KnownSubscriptions;
  readonly writer: HintWriter;
  readonly figures: MutableFigures;
  readonly counts: SessionCounts;
  readonly log: SparingLog;
}

interface TakenHint extends NewHint {
  readonly version: string | undefined;
}

/**
 * Takes notifications of changed messages. What Graph has not sent, or what tells nothing new, changes nothing; the rest
 * of the request is taken all the same.
 * @throws {HttpError} 422 where a request brings nothing but rich notifications
 */
export function notificationTaker(options: NotificationTakerOptions): Take {
  const { subscriptions, writer, figures, counts } = options;
  const recent = new RecentVersions();
  return async (body, until) => {
    const { items, malformed } = parseNotifications(body);
    const { authentic, refused: foreign } = await sortOut(items, subscriptions);
    const refused: RefusedItem[] = [...foreign, ...Array<RefusedItem>(malformed).fill({ reason: 'malformed' })];
    const hints: TakenHint[] = [];
    for (const { item, subscription } of authentic) {
      const { change, subscriptionId } = item;
      const { sessionNo, mailboxId } = subscription;
      if (typeof change === 'string') {
        refused.push({ reason: change, sessionNo });
        continue;
      }
      const { messageId } = change;
      const version = change.version && `${subscriptionId} ${messageId} ${change.version}`;
      if (version && recent.has(version)) refused.push({ reason: 'replayed', sessionNo });
      else hints.push({ sessionNo, mailboxId, messageId, version });
    }
    await writer.add(hints, until);
    for (const { sessionNo, mailboxId, version } of hints) {
      if (version) recent.add(version);
      counts.taken(sessionNo, mailboxId);
    }
    figures.taken += hints.length;
    countRefused(refused, options);
    if (hints.length === 0 && refused.some(({ reason }) => reason === 'rich')) throw richRefused();
  };
}

const richRefused = (): HttpError =>
  new HttpError(422, 'Notifications with encrypted mail are not taken: subscribe without includeResourceData');
