import type { NotificationSettings, SettingsInForce } from '../notify/settings.ts';

/** Sets how subscriptions live and notifications travel, and tells what became of them. */
export class NotificationsControl {
  readonly #settings: SettingsInForce;

  constructor(settings: SettingsInForce) {
    this.#settings = settings;
  }

  settings(): NotificationSettings {
    return this.#settings.current;
  }

  /** Changes some settings; the others stay. */
  set(settings: Partial<NotificationSettings>): NotificationSettings {
    this.#settings.current = { ...this.#settings.current, ...settings };
    return this.settings();
  }
}
