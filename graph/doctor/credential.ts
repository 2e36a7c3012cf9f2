import type { Connection } from '../../model/connection.ts';
import { certificateEnd, daysUntil, expiryWarning } from '../../model/credential-expiry.ts';
import { failed, PAGES, passed, skipped, warning, type Judged } from './finding.ts';
import type { GraphProbe } from './probe.ts';

const NAME = 'expiry';
const RENEW =
  'In the Microsoft Entra admin center open App registrations, the app, Certificates & secrets, make a new one, and ' +
  'give it to the connection: outhaul connections rotate. Scans that run go on.';

/**
 * When the credential ends.
 * @param expiresAt of a secret, as someone or Microsoft told it; null where nobody did
 */
export function expiryFinding({ credential: { kind, ...credential } }: Connection, expiresAt: string | null): Judged {
  const end = 'certificate' in credential ? (certificateEnd(credential.certificate) ?? null) : expiresAt;
  if (end === null) {
    return kind === 'certificate'
      ? failed(NAME, { meaning: 'The certificate cannot be read.', advice: RENEW, link: PAGES.credentials })
      : skipped(NAME, UNTOLD);
  }
  const words = expiryWarning({ kind, expiresAt: end }, Date.now());
  const what = kind === 'certificate' ? 'certificate' : 'client secret';
  if (words === undefined) {
    return passed(NAME, `The ${what} ends on ${end.slice(0, 10)}, in ${daysUntil(end, Date.now())} days.`);
  }
  const told = { meaning: `${words.replace(/:.*/, '')}.`, advice: RENEW, link: PAGES.credentials };
  // That a secret has expired is what someone told; Microsoft Entra has the last word, with the token.
  const isOver = kind === 'certificate' && Date.parse(end) <= Date.now();
  return isOver ? failed(NAME, told) : warning(NAME, told);
}

const UNTOLD =
  'When the client secret ends is not known, for an app may not see it. Say so when you rotate it: outhaul connections ' +
  'rotate --secret-expires-at DATE.';

/**
 * When a client secret ends, asked of Graph, where the app may: `Application.Read.All`. A secret is known by its first
 * three characters; where several begin so, the first that ends counts.
 * https://learn.microsoft.com/graph/api/resources/passwordcredential
 */
export async function secretEnd(
  graph: GraphProbe,
  { clientId, credential }: Connection,
  roles: readonly string[] | undefined,
): Promise<string | undefined> {
  const isAllowed = roles?.some((role) => /^(Application|Directory)\.Read(Write)?\.All$/.test(role));
  if (credential.kind !== 'secret' || !isAllowed || !/^[\w-]+$/.test(clientId)) return undefined;
  const reply = await graph.ask(`/applications(appId='${clientId}')`, 'directory', { $select: 'passwordCredentials' });
  if (!('content' in reply)) return undefined;
  const { passwordCredentials: secrets } = reply.content;
  const ends = (Array.isArray(secrets) ? secrets : [])
    .map((secret) => Object(secret) as { hint?: unknown; endDateTime?: unknown })
    .filter(({ hint }) => typeof hint === 'string' && hint !== '' && credential.clientSecret.startsWith(hint))
    .map(({ endDateTime }) => Date.parse(String(endDateTime)))
    .filter((end) => !Number.isNaN(end));
  return ends.length === 0 ? undefined : new Date(Math.min(...ends)).toISOString();
}
