import { createHash } from 'node:crypto';
import { type TestClient, textOf } from './client.ts';

/** What came of a body that is hashed as it comes and never held. */
export interface Bytes {
  status: number;
  contentType: string | null;
  /** What `Content-Length` said. */
  declared: number;
  bytes: number;
  sha256: string;
}

/** Fetches any body below `/v1.0`. Rejects where the connection breaks. */
export async function bytesAt(client: TestClient, path: string): Promise<Bytes> {
  const { access_token: token } = (await client.token()).body;
  const response = await fetch(`${client.simulator.url}/v1.0${path}`, {
    headers: { authorization: `Bearer ${textOf(token)}` },
  });
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const part of response.body ?? []) {
    hash.update(part as Uint8Array);
    bytes += (part as Uint8Array).length;
  }
  return {
    status: response.status,
    contentType: response.headers.get('content-type'),
    declared: Number(response.headers.get('content-length')),
    bytes,
    sha256: hash.digest('hex'),
  };
}

/** The path of a message's attachments, or of one of them. */
export function attachmentsAt(mailbox: string, message: unknown, attachment?: unknown): string {
  const path = `/users/${mailbox}/messages/${encodeURIComponent(textOf(message))}/attachments`;
  return attachment === undefined ? path : `${path}/${encodeURIComponent(textOf(attachment))}`;
}
