import { toUtilityPayload } from '../model/utility-payload.ts';
import { HttpClient, type HttpSettings } from './http.ts';
import { inParallel } from './in-parallel.ts';
import { ContentPlace, JsonBody } from './json-body.ts';
import { contentRefusal, ContentError, type Item, type Outcome, type Sender } from './sender.ts';
import { askHealth, verdictOf, verdictOnFault } from './verdict.ts';

export interface UtilitySettings extends HttpSettings {
  /** Requests at once. Default 25. */
  readonly concurrency?: number | undefined;
}

const CONCURRENCY = 25;

/**
 * A utility: `POST {endpoint}/process` for each message, many at once, in no order. The body is streamed, attachments
 * included. Each request has `Authorization: Bearer`, `Idempotency-Key` and a signature (`signature.ts`); what its answer
 * means is in `verdict.ts`.
 */
export function openUtility(settings: UtilitySettings): Sender {
  const { concurrency = CONCURRENCY } = settings;
  const client = new HttpClient(settings, concurrency);
  const sendOne = async (item: Item, signal: AbortSignal): Promise<Outcome> => {
    const { deliveryNo, idempotencyKey, message } = item;
    const places = item.attachments.map((attachment) => new ContentPlace(attachment));
    const attachments = places.map((content) => ({ metadata: content.attachment.metadata, content }));
    const body = new JsonBody(toUtilityPayload(message, attachments), places);
    try {
      return { deliveryNo, ...verdictOf(await client.post('/process', idempotencyKey, body, signal)) };
    } catch (error) {
      if (error instanceof ContentError) return contentRefusal(item, error);
      return { deliveryNo, ...verdictOnFault(error) };
    }
  };
  return {
    send: (items, signal) => inParallel(items, concurrency, (item) => sendOne(item, signal)),
    health: (signal) => askHealth(client, signal),
    close: () => client.close(),
  };
}
