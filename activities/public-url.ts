import { isLoopback } from '../model/loopback.ts';

const PATIENCE_MS = 5_000;
/** What the API calls itself in the answer to `GET /health`. */
const SERVICE = 'outlook_email_extraction';

/** Why nobody can be notified at this URL, in words; undefined where nothing speaks against it. */
export function faultOfUrl(publicUrl: string | null): string | undefined {
  if (publicUrl === null) {
    return 'OUTHAUL_PUBLIC_URL is not set, so that Microsoft Graph has no address to send notifications to.';
  }
  const url = URL.canParse(publicUrl) ? new URL(publicUrl) : undefined;
  const isUsable = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  return isUsable
    ? undefined
    : 'OUTHAUL_PUBLIC_URL must begin with https://: Microsoft Graph calls no other addresses.';
}

/**
 * Looks whether Outhaul answers at the URL, as seen from here. That says little of what Graph sees, but helps to find out
 * why Graph is not answered.
 * @returns what is wrong, in words; undefined where Outhaul answers
 */
export async function lookAt(publicUrl: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    const answer = await fetch(`${publicUrl}/health`, { signal: patience, redirect: 'manual' });
    const body = (await answer.json().catch(() => undefined)) as { service?: unknown } | undefined;
    return body?.service === SERVICE
      ? undefined
      : `Asked from here, something else than Outhaul answers there (${answer.status}).`;
  } catch (error) {
    signal.throwIfAborted();
    return `Asked from here, nothing answers there (${causeOf(error)}).`;
  }
}

function causeOf(error: unknown): string {
  const { cause, name } = Object(error) as { cause?: { code?: unknown }; name?: unknown };
  const code = cause?.code ?? name;
  return typeof code === 'string' && /^\w{1,60}$/.test(code) ? code : 'no connection';
}
