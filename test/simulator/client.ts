import type { Simulator } from '../../simulator/index.ts';

/** Any JSON object, for reading answers in tests. */
export type Body = Record<string, unknown> & { value: Record<string, unknown>[] };

/** An answer as tests look at it. */
export interface Got {
  status: number;
  headers: Headers;
  body: Body;
  text: string;
}

/** A small client of one simulator: a token once, then requests by paths below `/v1.0` or whole links. */
export class TestClient {
  readonly simulator: Simulator;
  #token: string | undefined;

  constructor(simulator: Simulator) {
    this.simulator = simulator;
  }

  async token(form: Record<string, string> = {}, tenant = this.simulator.tenantId): Promise<Got> {
    const { url, clientId, clientSecret } = this.simulator;
    const response = await fetch(`${url}/${tenant}/oauth2/v2.0/token`, {
      method: 'POST',
      body: new URLSearchParams({
        client_id: clientId,
        client_secret: clientSecret,
        grant_type: 'client_credentials',
        scope: 'https://graph.microsoft.com/.default',
        ...form,
      }),
    });
    return gotOf(response);
  }

  /** Asks for a new token with the next request. */
  forgetToken(): void {
    this.#token = undefined;
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Got> {
    return this.request('GET', path, headers);
  }

  async request(method: string, path: string, headers: Record<string, string> = {}, body?: unknown): Promise<Got> {
    this.#token ??= String((await this.token()).body.access_token);
    const url = path.startsWith('http') ? path : `${this.simulator.url}/v1.0${path}`;
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return gotOf(response);
  }

  /** A control request over HTTP; its answer must be a success. */
  async sim<Answer = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.simulator.url}/_sim${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status} at ${path}: ${text}`);
    return (text === '' ? {} : JSON.parse(text)) as Answer;
  }

  /** Follows next links to the end; gives all items and the last page. */
  async all(
    path: string,
    headers: Record<string, string> = {},
  ): Promise<{ items: Record<string, unknown>[]; last: Body; pages: number }> {
    const items: Record<string, unknown>[] = [];
    for (let pages = 1; ; pages++) {
      const { body, status, text } = await this.get(path, headers);
      if (status !== 200) throw new Error(`${status} at ${path}: ${text}`);
      items.push(...body.value);
      const next = body['@odata.nextLink'];
      if (typeof next !== 'string') return { items, last: body, pages };
      path = next;
    }
  }
}

async function gotOf(response: Response): Promise<Got> {
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : {}) as Body };
}

/** A member that must be text. */
export function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`Text was expected, not ${JSON.stringify(value)}`);
  return value;
}
