import type { JsonObject } from '../mail/bytes.ts';
import type { SimulatorControl } from './control.ts';
import { readSettings, readSubscriptionMatch } from './read-live.ts';

/** What a control request brings. */
export interface ControlRequest {
  query: URLSearchParams;
  /** An object; an empty one where nothing was sent. */
  body: JsonObject;
  /** The body as it was sent, which may be a list, too. */
  sent: unknown;
}

export type Handler = (control: SimulatorControl, request: ControlRequest) => unknown;

/** Subscriptions and notifications over HTTP. */
export const LIVE_HANDLERS: Record<string, Handler> = {
  'GET /subscriptions': (control) => ({ value: control.subscriptions.list() }),
  'POST /subscriptions/expire': (control, { body }) => control.subscriptions.expire(readSubscriptionMatch(body)),
  'PUT /notifications': (control, { body }) => control.notifications.set(readSettings(body)),
};
