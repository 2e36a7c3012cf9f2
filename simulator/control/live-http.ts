import type { JsonObject } from '../mail/bytes.ts';
import type { SimulatorControl } from './control.ts';
import { readEventQuery, readFlow, readLifecycleOrder, readSettings, readSubscriptionMatch } from './read-live.ts';

/** What a control request brings. */
export interface ControlRequest {
  query: URLSearchParams;
  /** An object; an empty one where nothing was sent. */
  body: JsonObject;
  /** The body as it was sent, which may be a list, too. */
  sent: unknown;
}

export type Handler = (control: SimulatorControl, request: ControlRequest) => unknown;

/** Subscriptions, notifications and mail that flows, over HTTP. */
export const LIVE_HANDLERS: Record<string, Handler> = {
  'GET /subscriptions': (control) => ({ value: control.subscriptions.list() }),
  'POST /subscriptions/expire': (control, { body }) => control.subscriptions.expire(readSubscriptionMatch(body)),
  'GET /notifications': (control) => ({
    ...control.notifications.counts(),
    settings: control.notifications.settings(),
  }),
  'DELETE /notifications': (control) => control.notifications.resetCounts(),
  'PUT /notifications': (control, { body }) => control.notifications.set(readSettings(body)),
  'POST /lifecycle': (control, { body }) => control.notifications.lifecycle(readLifecycleOrder(body)),
  'POST /flow': (control, { body }) => control.flow.start(readFlow(body)),
  'GET /flow': (control) => control.flow.report(),
  'DELETE /flow': (control) => {
    control.flow.stop();
    return control.flow.report();
  },
  'GET /events': (control, { query }) => control.events(readEventQuery(Object.fromEntries(query))),
};
