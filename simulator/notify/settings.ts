/** How subscriptions live and notifications travel. Draws follow from the seed and the order of the changes. */
export interface NotificationSettings {
  /** The part of the notifications that is never sent, 0 to 1. */
  loss: number;
  /** The part that is sent twice. */
  duplicates: number;
  /** The part that later ones of the same subscription overtake. */
  reorder: number;
  /** How long a notification is on its way: between these two. */
  delayMs: readonly [least: number, most: number];
  seed: number;
  /** How long one that could be sent waits for others, to be sent with them. */
  batchMs: number;
  /** Notifications in one request at most. */
  batchSize: number;
  /** Requests to one endpoint at a time. */
  concurrency: number;
  /** Notifications that wait for one endpoint at most, those to be sent again included; more are given up. */
  queueLimit: number;
  /** How long an endpoint has for its first answer, for later ones, and for the handshake. */
  firstTimeoutMs: number;
  retryTimeoutMs: number;
  validationTimeoutMs: number;
  /** Shortens the pauses before a notification is sent again, and the time after which it is given up. */
  backoffScale: number;
  /** Shortens the lifetime that a subscription is granted: 0.001 makes a week ten minutes. */
  lifetimeScale: number;
  subscriptionsPerMailbox: number;
}

/**
 * As Graph documents it; nothing goes wrong, and nothing is late.
 * Source: https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
 */
export const DEFAULT_SETTINGS: NotificationSettings = {
  loss: 0,
  duplicates: 0,
  reorder: 0,
  delayMs: [0, 0],
  seed: 1,
  batchMs: 10,
  batchSize: 100,
  concurrency: 16,
  queueLimit: 100_000,
  firstTimeoutMs: 3_000,
  retryTimeoutMs: 10_000,
  validationTimeoutMs: 10_000,
  backoffScale: 1,
  lifetimeScale: 1,
  subscriptionsPerMailbox: 1_000,
};

/** The settings in force; everyone who needs them holds this one object. */
export interface SettingsInForce {
  current: NotificationSettings;
}
