import { createPrivateKey } from 'node:crypto';
import type { Connection } from '../../model/connection.ts';
import { CLOUD_HOSTS, type Endpoints } from '../clouds.ts';
import { GraphError } from '../errors.ts';
import { tokenIssuer } from '../issue-token.ts';
import { failed, PAGES, passed, skipped, traces, warning, type Judged } from './finding.ts';
import type { Probe, ProbeAnswer } from './probe.ts';
import { unreachable } from './reach.ts';

/** How far the worker's clock may be off before Microsoft takes offence. */
const TOLERANCE_MS = 5 * 60_000;
const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

export interface SignIn {
  readonly findings: readonly Judged[];
  /** Absent where none was to be had. */
  readonly token?: string;
}

/** Reaches Microsoft Entra, looks at the clock and the cloud, and asks for a token. */
export async function examineSignIn(connection: Connection, endpoints: Endpoints, probe: Probe): Promise<SignIn> {
  const { host } = new URL(endpoints.authorityUrl);
  const { finding, answer } = await reachEntra(connection, endpoints, probe);
  const before = [finding, clockOf(answer), cloudOf(connection, answer)];
  if (!answer)
    return { findings: [...before, skipped('token', `No token can be asked for while ${host} is out of reach.`)] };
  try {
    const token = await askToken(connection, endpoints, probe);
    return {
      token,
      findings: [...before, passed('token', 'Microsoft Entra accepts the credential and gives a token.')],
    };
  } catch (error) {
    if (!(error instanceof GraphError) || probe.signal.aborted) throw error;
    return { findings: [...before, refusalOf(error, connection, host)] };
  }
}

/** Any answer of its own shows that it is there; whether it knows the tenant, the token tells. */
async function reachEntra(
  { tenantId }: Connection,
  { authorityUrl }: Endpoints,
  probe: Probe,
): Promise<{ finding: Judged; answer?: ProbeAnswer }> {
  const name = 'Microsoft Entra';
  const url = new URL(`${authorityUrl}/${encodeURIComponent(tenantId)}/v2.0/.well-known/openid-configuration`);
  try {
    const answer = await probe.patiently(async () => {
      const tried = await probe.get(url);
      if (tried.body === undefined || tried.status >= 500 || tried.status === 429) throw noAnswer(url, tried);
      return tried;
    });
    return { finding: passed(name, `${url.host} answers.`), answer };
  } catch (error) {
    if (!(error instanceof GraphError) || probe.signal.aborted) throw error;
    return { finding: unreachable(name, url.host, error) };
  }
}

const noAnswer = ({ host }: URL, { status }: ProbeAnswer): GraphError =>
  new GraphError(`${host} gave no answer of its own (${status})`, { kind: 'unavailable', code: 'NoJson', status });

/** A clock that is off makes the proof that a certificate signs invalid, and TLS as well. */
function clockOf(answer: ProbeAnswer | undefined): Judged {
  const theirs = Date.parse(answer?.headers['date'] ?? '');
  if (!answer || Number.isNaN(theirs)) return skipped('clock', "Microsoft's clock could not be seen.");
  // Theirs is in whole seconds and was read somewhere between sending and receiving.
  const off = theirs < answer.sentAt ? theirs + 1_000 - answer.sentAt : theirs - answer.receivedAt;
  const isWithin = theirs + 1_000 >= answer.sentAt && theirs <= answer.receivedAt;
  if (isWithin || Math.abs(off) < TOLERANCE_MS) return passed('clock', "The worker's clock agrees with Microsoft's.");
  const minutes = Math.round(Math.abs(off) / 60_000);
  return warning('clock', {
    meaning: `The worker's clock is ${minutes} minutes ${off > 0 ? 'behind' : 'ahead of'} Microsoft's.`,
    advice: "Set the clock of the worker's machine right (NTP). Certificates are refused while it is wrong.",
  });
}

/** The discovery document says to which Graph the tenant belongs. */
function cloudOf({ cloud }: Connection, answer: ProbeAnswer | undefined): Judged {
  const { msgraph_host: theirs } = Object(answer?.body) as { msgraph_host?: unknown };
  if (typeof theirs !== 'string') return skipped('cloud', 'Microsoft Entra did not say in which cloud the tenant is.');
  if (theirs === CLOUD_HOSTS[cloud].graph) return passed('cloud', `The tenant is in the cloud that is set (${cloud}).`);
  const right = Object.entries(CLOUD_HOSTS).find(([, { graph }]) => graph === theirs)?.[0];
  return failed('cloud', {
    meaning: `The tenant is in another of Microsoft's clouds than the connection: ${right ?? 'one that Outhaul does not know'} instead of ${cloud}.`,
    advice:
      right === undefined
        ? 'Set the URLs of that cloud (OUTHAUL_AUTHORITY_URL, OUTLOOK_API_BASE_URL).'
        : `Set OUTHAUL_CLOUD=${right}, and make the connection anew with an app that is registered there.`,
    link: PAGES.clouds,
    code: 'WrongCloud',
  });
}

async function askToken(connection: Connection, endpoints: Endpoints, probe: Probe): Promise<string> {
  const { dispatcher, timeoutMs, signal } = probe;
  const latest = () => Promise.resolve(connection);
  const issue = tokenIssuer({ latest, endpoints, dispatcher, timeoutMs, report: () => undefined });
  return (await probe.patiently(() => issue(signal))).value;
}

/** Entra's refusal in two parts: what it means, and what to do. */
function refusalOf(error: GraphError, connection: Connection, host: string): Judged {
  if (error.kind !== 'credential_refused') return unreachable('token', host, error);
  const [, meaning = '', advice = ''] = /^(.*?\.)\s+(.*)$/s.exec(error.reason ?? '') ?? [undefined, error.reason ?? ''];
  return failed('token', {
    meaning,
    advice: (hintOf(error, connection) + advice).replace(/\s*\(AADSTS\d+\)$/, '') || undefined,
    link: pageOf(error.code),
    ...traces(error),
  });
}

/** What the credential itself shows of the mistake. */
function hintOf({ code }: GraphError, { credential }: Connection): string {
  if (code === 'AADSTS7000215' && credential.kind === 'secret' && GUID.test(credential.clientSecret)) {
    return "The stored secret has the form of a secret's id, not of its value. ";
  }
  if (code === 'InvalidCertificate' && credential.kind === 'certificate' && !isKey(credential.privateKey)) {
    return 'The private key cannot be read. ';
  }
  return '';
}

function isKey(pem: string): boolean {
  try {
    createPrivateKey(pem);
    return true;
  } catch {
    return false;
  }
}

const CODE_PAGES: Readonly<Partial<Record<keyof typeof PAGES, readonly string[]>>> = {
  credentials: ['7000215', '7000222', '7000218', '7000216', '700027', '700024'],
  register: ['700016'],
  tenant: ['90002', '900023'],
  consent: ['65001', '7000229'],
  disabled: ['7000112'],
  conditionalAccess: ['53003', '530035', '50076', '50079', '50158'],
  clouds: ['70011', '1002012', '500011', '700023'],
};

function pageOf(code: string): string {
  const number = code.replace('AADSTS', '');
  const [page] = Object.entries(CODE_PAGES).find(([, numbers]) => numbers.includes(number)) ?? ['errors'];
  return PAGES[page as keyof typeof PAGES];
}
