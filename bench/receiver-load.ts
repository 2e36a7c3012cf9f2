import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** What a process of its own sends to a receiver. */
export interface Load {
  readonly url: string;
  /** Subscriptions, each of a mailbox, that take turns. */
  readonly senders: readonly Record<'subscriptionId' | 'clientState' | 'mailboxId', string>[];
  /** Begins the ids of the messages. */
  readonly name: string;
  readonly seconds: number;
  readonly perSecond: number;
  readonly perRequest: number;
  readonly connections: number;
}

export interface LoadResult {
  /** The ids of the messages whose notifications were answered 202. */
  readonly acknowledged: readonly string[];
  /** From the first request to the last answer. */
  readonly seconds: number;
  /** From the moment at which a request was due to its answer, 99th percentile. */
  readonly p99Ms: number;
}

const [load] = (await once(process, 'message')) as [Load];
process.on('disconnect', () => process.exit(0));
process.send?.(await send(load));

/** Sends at an even rate, whether answers come or not. */
async function send(load: Load): Promise<LoadResult> {
  const { seconds, perSecond, perRequest, connections } = load;
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const begun = performance.now();
  const answers = Array.from({ length: (seconds * perSecond) / perRequest }, async (_, number) => {
    const ids = Array.from({ length: perRequest }, (_, index) => `${load.name}-${number * perRequest + index}`);
    const body = bodyOf(ids, load);
    const due = begun + ((number * perRequest) / perSecond) * 1_000;
    await delay(due - performance.now());
    const status = await post(load.url, body, agent);
    return { ids: status === 202 ? ids : [], ms: performance.now() - due };
  });
  const all = await Promise.all(answers);
  const took = (performance.now() - begun) / 1_000;
  agent.destroy();
  const times = all.map(({ ms }) => ms).sort((a, b) => a - b);
  return {
    acknowledged: all.flatMap(({ ids }) => ids),
    seconds: Math.max(took, seconds),
    p99Ms: times[Math.ceil(times.length * 0.99) - 1] ?? 0,
  };
}

function bodyOf(ids: readonly string[], { senders, name }: Load): string {
  const value = ids.map((id) => {
    const { mailboxId, ...sender } = senders[Number(id.slice(name.length + 1)) % senders.length]!;
    const resource = `Users/${mailboxId}/Messages/${id}`;
    return {
      id,
      ...sender,
      subscriptionExpirationDateTime: '2026-11-27T10:00:00.0000000Z',
      changeType: 'created',
      resource,
      tenantId: 'f1b0a3a6-6a0c-4c0d-9a55-6f2f3b1c0e11',
      resourceData: {
        '@odata.type': '#Microsoft.Graph.Message',
        '@odata.id': resource,
        '@odata.etag': `W/"${id}"`,
        id,
      },
    };
  });
  return JSON.stringify({ value });
}

function post(url: string, body: string, agent: Agent): Promise<number> {
  const headers = { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': Buffer.byteLength(body) };
  return new Promise((resolve) => {
    request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    })
      .on('error', () => resolve(0))
      .end(body);
  });
}
