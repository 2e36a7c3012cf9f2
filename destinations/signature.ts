import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';

/** Whether a text can sign: `whsec_` and 24 to 64 bytes in base64. */
export function isSigningKey(text: string): boolean {
  const key = Buffer.from(text.slice(PREFIX.length), 'base64');
  return text === PREFIX + key.toString('base64') && key.length >= 24 && key.length <= 64;
}

export interface SignedRequest {
  /** The idempotency key. */
  readonly id: string;
  /** As it is sent. */
  readonly body: Iterable<Buffer> | AsyncIterable<Buffer>;
  /** `whsec_` and the key in base64. */
  readonly signingKey: string;
  readonly at: Date;
}

/**
 * The headers by which a receiver knows that a request is ours, new and whole, as Standard Webhooks has them
 * (https://www.standardwebhooks.com, with libraries for most languages):
 *
 * - `webhook-id`: the idempotency key
 * - `webhook-timestamp`: seconds since 1970; receivers refuse what is older than some minutes
 * - `webhook-signature`: `v1,` and the base64 of HMAC-SHA256, under the key's bytes, of `{id}.{timestamp}.{body}`
 *
 * The body is gone through once for it, before it is sent.
 */
export async function signatureHeaders({ id, body, signingKey, at }: SignedRequest): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const hmac = createHmac('sha256', Buffer.from(signingKey.slice(PREFIX.length), 'base64'));
  hmac.update(`${id}.${timestamp}.`);
  for await (const chunk of body) hmac.update(chunk);
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${hmac.digest('base64')}`,
  };
}
