import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { bytesOf } from '../mail/content.ts';
import { type Answer, GRAPH_JSON } from './answer.ts';
import { faults } from './fault.ts';
import type { IncomingRequest } from './service.ts';

const MOST = 20;
/** Graph forwards no more than these of a batch at a time. */
const AT_A_TIME = 4;

interface Step {
  id: string;
  method: string;
  url: string;
  headers: Record<string, string>;
  body: unknown;
  dependsOn: string[];
}

/**
 * Answers `POST /$batch`: every inner request goes through the whole service by itself, at most four at a time and those
 * it depends on first. Responses come in the order in which they were ready.
 */
export async function answerBatch(
  outer: IncomingRequest,
  answerOne: (inner: IncomingRequest) => Promise<Answer>,
): Promise<Answer> {
  const waiting = readSteps(outer.body);
  const statuses = new Map<string, number>();
  const responses: Uint8Array[] = [];
  const endings = new Endings(outer);

  const run = async (step: Step): Promise<void> => {
    const failed = step.dependsOn.some((id) => (statuses.get(id) ?? 424) >= 400);
    const answer = failed ? failedDependency() : await answerInner(innerRequest(outer, step), endings, answerOne);
    statuses.set(step.id, answer.status);
    responses.push(responseOf(step.id, answer));
  };
  await new Promise<void>((resolve, reject) => {
    let running = 0;
    const startReady = (): void => {
      for (; running < AT_A_TIME; running++) {
        const index = waiting.findIndex((step) => step.dependsOn.every((id) => statuses.has(id)));
        const [step] = index < 0 ? [] : waiting.splice(index, 1);
        if (!step) break;
        run(step).then(() => {
          running--;
          startReady();
        }, reject);
      }
      if (running === 0) resolve();
    };
    startReady();
  });
  return {
    status: 200,
    headers: { 'content-type': GRAPH_JSON },
    body: [Buffer.from('{"responses":['), ...join(responses), Buffer.from(']}')],
  };
}

/** What waits for the end of inner requests: their own, or that of the batch, when nobody waits for its answer any more. */
class Endings {
  readonly #waiting = new Set<() => void>();
  #isOver = false;

  constructor(outer: IncomingRequest) {
    outer.onEnd(() => {
      this.#isOver = true;
      this.end([...this.#waiting]);
    });
  }

  add(callback: () => void): void {
    if (this.#isOver) callback();
    else this.#waiting.add(callback);
  }

  end(callbacks: readonly (() => void)[]): void {
    for (const callback of callbacks) if (this.#waiting.delete(callback)) callback();
  }
}

/** An inner request is over when its answer is there; the turn makes sure that four of them really run at a time. */
async function answerInner(
  inner: IncomingRequest,
  endings: Endings,
  answerOne: (inner: IncomingRequest) => Promise<Answer>,
): Promise<Answer> {
  const own: (() => void)[] = [];
  const onEnd = (callback: () => void): void => {
    own.push(callback);
    endings.add(callback);
  };
  const answer = await answerOne({ ...inner, onEnd });
  await turn();
  endings.end(own);
  return answer;
}

function readSteps(body: Uint8Array): Step[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(body).toString());
  } catch {
    throw faults.badRequest('Invalid batch payload format.');
  }
  const requests = isRecord(parsed) ? parsed.requests : undefined;
  if (!Array.isArray(requests) || requests.length === 0) throw faults.badRequest('Invalid batch payload format.');
  if (requests.length > MOST) {
    throw faults.badRequest(`Number of batch request steps exceeds the maximum value of ${MOST}.`);
  }
  const steps = requests.map(readStep);
  const ids = new Set(steps.map((step) => step.id));
  if (ids.size < steps.length) throw faults.badRequest('Request Id values should be unique within a batch.');
  if (hasUnreachable(steps)) throw faults.badRequest('Invalid batch dependencies.');
  return steps;
}

function readStep(step: unknown): Step {
  if (
    !isRecord(step) ||
    typeof step.id !== 'string' ||
    typeof step.method !== 'string' ||
    typeof step.url !== 'string'
  ) {
    throw faults.badRequest('Invalid batch request step.');
  }
  const headers = isRecord(step.headers) ? step.headers : {};
  return {
    id: step.id,
    method: step.method.toUpperCase(),
    url: step.url,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)])),
    body: step.body,
    dependsOn: Array.isArray(step.dependsOn) ? step.dependsOn.map(String) : [],
  };
}

/** Whether a step waits for one that is not there, or for itself through others. */
function hasUnreachable(steps: readonly Step[]): boolean {
  const done = new Set<string>();
  for (let before = -1; before < done.size;) {
    before = done.size;
    for (const step of steps) if (step.dependsOn.every((id) => done.has(id))) done.add(step.id);
  }
  return done.size < steps.length;
}

function innerRequest(outer: IncomingRequest, step: Step): IncomingRequest {
  const requestId = randomUUID();
  return {
    ...outer,
    method: step.method,
    target: step.url.replace(/^\/?(v1\.0\/)?/, '/'),
    headers: { ...step.headers, authorization: outer.headers.authorization },
    body: step.body === undefined ? new Uint8Array(0) : Buffer.from(JSON.stringify(step.body)),
    requestId,
    inBatch: true,
    clientRequestId: step.headers['client-request-id'] ?? requestId,
  };
}

function failedDependency(): Answer {
  const body = { error: { code: 'FailedDependency', message: 'A request that this one depends on failed.' } };
  return { status: 424, headers: { 'content-type': GRAPH_JSON }, body: [Buffer.from(JSON.stringify(body))] };
}

/** JSON stands in the response as it is, anything else as a Base64 string. */
function responseOf(id: string, answer: Answer): Uint8Array {
  const { status, headers } = answer;
  if (status === 204) return Buffer.from(JSON.stringify({ id, status, headers }));
  const content = Buffer.concat(answer.body.map(bytesOf));
  const isJson = headers['content-type']?.startsWith('application/json') === true;
  const body = isJson ? content : Buffer.from(JSON.stringify(content.toString('base64')));
  const head = JSON.stringify({ id, status, headers });
  return Buffer.concat([Buffer.from(`${head.slice(0, -1)},"body":`), body, Buffer.from('}')]);
}

function join(parts: readonly Uint8Array[]): Uint8Array[] {
  return parts.flatMap((part, index) => (index === 0 ? [part] : [Buffer.from(','), part]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
