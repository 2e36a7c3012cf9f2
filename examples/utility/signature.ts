import { createHmac, timingSafeEqual } from 'node:crypto';

/** Older and newer requests than this are refused: somebody may have recorded and repeated them. */
const TOLERANCE_SECONDS = 300;

export interface SignedRequest {
  /** The headers `webhook-id`, `webhook-timestamp` and `webhook-signature`. */
  readonly id: string | undefined;
  readonly timestamp: string | undefined;
  readonly signature: string | undefined;
  /** As it came, not parsed. */
  readonly body: Buffer;
}

/**
 * Why a request is not to be believed; undefined: it is signed with the key, and new. The form is that of Standard
 * Webhooks (https://www.standardwebhooks.com): `v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`. A
 * request may have several signatures, while keys are changed.
 */
export function signatureFault(
  { id, timestamp, signature, body }: SignedRequest,
  signingKey: string,
  now: Date,
): string | undefined {
  if (!id || !timestamp || !signature) return 'The request is not signed';
  const age = now.getTime() / 1000 - Number(timestamp);
  if (!(Math.abs(age) <= TOLERANCE_SECONDS)) return 'The signature is too old, or of the future: compare the clocks';
  const key = Buffer.from(signingKey.replace(/^whsec_/, ''), 'base64');
  const wanted = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  const given = signature.split(' ').filter((each) => each.startsWith('v1,'));
  return given.some((each) => isSame(Buffer.from(each.slice(3), 'base64'), wanted))
    ? undefined
    : 'The signature does not match';
}

const isSame = (one: Buffer, other: Buffer): boolean => one.length === other.length && timingSafeEqual(one, other);
