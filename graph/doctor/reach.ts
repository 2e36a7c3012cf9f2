import type { GraphError } from '../errors.ts';
import { failed, PAGES, traces, type Judged } from './finding.ts';

const FIREWALL =
  'The machine of the worker must reach it on port 443, directly: Outhaul uses no proxy. Ask whoever keeps its ' +
  'firewall to let it through.';
const INSPECTION =
  'Something between, such as a proxy or a firewall that looks into TLS, shows a certificate of its own. Let the worker ' +
  "past it, or give Node that authority's certificate with NODE_EXTRA_CA_CERTS.";

interface Trouble {
  readonly codes: RegExp;
  readonly meaning: (host: string) => string;
  readonly advice: string;
}

/** What keeps two machines from talking, by the code of Node or undici. The first that fits counts. */
const TROUBLES: readonly Trouble[] = [
  {
    codes: /^(ENOTFOUND|EAI_\w+|ENODATA)$/,
    meaning: (host) => `The name ${host} cannot be resolved.`,
    advice:
      'Check the DNS of the machine of the worker, and the name itself where a URL of your own is set ' +
      '(OUTLOOK_API_BASE_URL, OUTHAUL_AUTHORITY_URL).',
  },
  {
    codes: /^ECONNREFUSED$/,
    meaning: (host) => `${host} refuses connections.`,
    advice: `${FIREWALL} Where a URL of your own is set (OUTLOOK_API_BASE_URL, OUTHAUL_AUTHORITY_URL), check its port.`,
  },
  {
    codes: /^(ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EHOSTDOWN)$/,
    meaning: (host) => `No connection to ${host} comes about.`,
    advice: FIREWALL,
  },
  {
    codes: /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    meaning: (host) => `The certificate of ${host} is not valid at the time that the worker's clock shows.`,
    advice: `Check that clock. If it is right: ${INSPECTION}`,
  },
  {
    codes: /^(CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|ERR_TLS|ERR_SSL|HOSTNAME_MISMATCH|EPROTO)/,
    meaning: (host) => `${host} cannot prove that it is Microsoft's: its TLS certificate is not trusted.`,
    advice: INSPECTION,
  },
  {
    codes: /^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/,
    meaning: (host) => `The connection to ${host} is cut before an answer comes.`,
    advice: `A firewall or a proxy between may do so. ${FIREWALL}`,
  },
];

/** Why no answer of a host came, or none of its own, in words. */
export function unreachable(name: string, host: string, error: GraphError): Judged {
  const code = deepestCode(error) ?? error.code;
  const trouble = TROUBLES.find(({ codes }) => codes.test(code));
  const told = trouble ? { meaning: trouble.meaning(host), advice: trouble.advice } : otherwise(host, error);
  return failed(name, { ...told, link: PAGES.network, ...traces(error), code, isPassing: true });
}

function otherwise(host: string, { code, status }: GraphError): { meaning: string; advice: string } {
  if (code === 'Timeout') {
    return {
      meaning: `${host} did not answer in time.`,
      advice: `Try again in some minutes. If it stays so: ${FIREWALL}`,
    };
  }
  if (status === 407) {
    return { meaning: 'A proxy between demands to be signed in to.', advice: FIREWALL };
  }
  if (status !== undefined && status < 500 && (code === 'NoJson' || status < 400)) {
    return {
      meaning: `${host} did not answer as Microsoft does (${status}).`,
      advice: `A proxy, or the login page of a network, may answer in its place. ${FIREWALL}`,
    };
  }
  if (status === 429) {
    return { meaning: `${host} asks the app to come back later (429).`, advice: 'Try again in some minutes.' };
  }
  const said = status === undefined ? code : String(status);
  return { meaning: `${host} gives no usable answer (${said}).`, advice: 'Try again in some minutes.' };
}

/** The code of Node or undici, which lies at the bottom of the causes. */
function deepestCode(error: Error): string | undefined {
  const { cause } = error;
  if (!(cause instanceof Error)) return undefined;
  const { code } = cause as { code?: unknown };
  return deepestCode(cause) ?? (typeof code === 'string' ? code : undefined);
}
