import { once } from 'node:events';
import { type Agent, get, type IncomingMessage } from 'node:http';
import { type TestClient, textOf } from './client.ts';

/** What a plain client of `node:http` sees: the status and what came of the body, and how the connection ended. */
export async function plainGet(
  client: TestClient,
  path: string,
  agent?: Agent,
): Promise<{ status?: number; body: string; error?: string }> {
  const { access_token: token } = (await client.token()).body;
  const request = get(`${client.simulator.url}/v1.0${path}`, {
    headers: { authorization: `Bearer ${textOf(token)}` },
    ...(agent && { agent }),
  });
  // A connection that breaks within an answer is told twice.
  request.on('error', () => undefined);
  let body = '';
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const status = response.statusCode ?? 0;
    try {
      for await (const part of response) body += String(part);
      return { status, body };
    } catch (error) {
      return { status, body, error: (error as NodeJS.ErrnoException).code ?? '' };
    }
  } catch (error) {
    return { body, error: (error as NodeJS.ErrnoException).code ?? '' };
  }
}
