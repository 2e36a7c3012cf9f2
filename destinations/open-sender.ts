import type { DestinationSecret, KindSettings, SettingsOf } from '../model/destination.ts';
import { openBatchReceiver } from './batch.ts';
import { openFolder } from './folder.ts';
import type { HttpSettings } from './http.ts';
import { RedisList } from './redis-list.ts';
import { DestinationUnavailable, type Sender } from './sender.ts';
import { openUtility } from './utility.ts';

/**
 * The sender to a destination. Connects to nothing yet; close it at the end.
 * @throws {DestinationUnavailable} `misconfigured`: a part of its secret is missing
 */
export function openSender({ kind, settings }: KindSettings, secret: DestinationSecret): Sender {
  switch (kind) {
    case 'redis_list':
      return new RedisList({ ...settings, queue: settings.list, password: secret.password });
    case 'folder':
      return openFolder({ directory: settings.directory });
    case 'utility':
      return openUtility({ ...httpSettings(settings, secret), concurrency: settings.concurrency });
    case 'batch': {
      const { batchItems, batchWaitSeconds } = settings;
      return openBatchReceiver({
        ...httpSettings(settings, secret),
        batchItems,
        batchWaitMs: batchWaitSeconds * 1000,
      });
    }
  }
}

function httpSettings(settings: SettingsOf['utility' | 'batch'], secret: DestinationSecret): HttpSettings {
  const { endpoint, timeoutSeconds, allowPrivate, ca } = settings;
  const { token, signingKey } = secret;
  if (signingKey === undefined) {
    throw new DestinationUnavailable('misconfigured', 'The destination has no signing key: give it a new one');
  }
  return { endpoint, token, signingKey, timeoutMs: timeoutSeconds * 1000, allowPrivate, ca };
}
