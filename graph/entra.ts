import { cleanId, exchangeError, GraphError } from './errors.ts';
import { parseRetryAfter } from '../model/retry-after.ts';

const SECRETS = 'Certificates & secrets of the app registration';

/**
 * What an administrator can do about a refusal of Microsoft Entra, by AADSTS number. The numbers are for people only:
 * what the code does next follows from the status and `error`, as Microsoft asks.
 * Source: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
const REASONS: Readonly<Record<number, string>> = {
  7000215: `The client secret is wrong. Copy the secret's value (not its id) from ${SECRETS}; the value is shown only when it is made, so make a new one if it is lost.`,
  7000222: `The client secret has expired. Make a new one under ${SECRETS}.`,
  700016:
    'The client id is unknown in this tenant. Check that the client id is the Application (client) id and the tenant id is that of the same directory, and that an administrator of the tenant has consented to the app.',
  90002: 'The tenant is unknown. Check the tenant id (Directory id) or domain, and that the right cloud is chosen.',
  900023: 'The tenant id is malformed. It must be the directory id (a GUID) or a verified domain of the tenant.',
  7000218: 'The request held no client secret and no certificate. Give the connection one of them.',
  7000216: 'The app needs a client secret or a certificate to sign in, and none was given. Give the connection one.',
  700027: `The certificate was not accepted. Upload the certificate that belongs to the private key under ${SECRETS}, and check that it has not expired.`,
  700024: 'The signed proof is outside its time of validity. Check that the clock of this machine is right.',
  700023: 'The signed proof was made for another audience. Check the login URL of the connection.',
  7000229:
    'The app is not in this tenant: nobody has consented to it there. As an administrator of the tenant choose "Grant admin consent" under its API permissions.',
  7000112: 'The app is disabled in this tenant. Enable it under Enterprise applications, the app, Properties.',
  70011: 'The requested scope is not valid. Check that the chosen cloud and the Graph URL belong together.',
  1002012: 'The requested scope is not valid for an app without a user. Check the cloud and the Graph URL.',
  500011: 'Microsoft Graph is not known in this tenant under the requested name. Check that the right cloud is chosen.',
  53003:
    'A Conditional Access policy blocks the app. Exclude its service principal from the policy, or run from an allowed network location.',
  50076: 'A Conditional Access policy demands multi-factor authentication, which an app cannot give. Exclude the app.',
  50079: 'A Conditional Access policy demands multi-factor enrolment, which an app cannot do. Exclude the app.',
  50158: 'A Conditional Access policy demands an outside check, which an app cannot pass. Exclude the app.',
  65001: 'Nobody has consented to the app in this tenant. Choose "Grant admin consent" under its API permissions.',
};

/** Refusals that pass by themselves, whatever their status. */
const TRANSIENT_ERRORS = new Set(['temporarily_unavailable', 'server_error']);
const TRANSIENT_NUMBERS = new Set([90033]);

const BY_ERROR: Readonly<Record<string, string>> = {
  invalid_client: 'Microsoft Entra refused the client secret or certificate.',
  unauthorized_client: 'Microsoft Entra does not allow this app in this tenant.',
  invalid_tenant: 'The tenant is unknown. Check the tenant id or domain, and that the right cloud is chosen.',
  interaction_required: 'A policy of the tenant demands a sign-in by a person. Exclude the app from the policy.',
};

/** An answer of Microsoft Entra that brought no token. Header names are lower-case. */
export interface EntraAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The parsed body, if it was JSON. */
  readonly body: unknown;
}

/** The typed error for an answer of Microsoft Entra without a token: refused, throttled or unavailable. */
export function entraErrorFrom({ status, headers, body }: EntraAnswer): GraphError {
  const { error, number, traceId } = readBody(body);
  const code = number === undefined ? (error ?? `HTTP${status}`) : `AADSTS${number}`;
  const requestId = traceId ?? cleanId(headers['x-ms-request-id']);
  const shown = `${status} ${code}${requestId === undefined ? '' : `, trace ${requestId}`}`;
  const retryAfterMs = parseRetryAfter(headers['retry-after'], headers['date']);
  const details = { code, status, requestId, retryAfterMs };
  if (status === 429) {
    return new GraphError(`Microsoft Entra throttles the app (${shown})`, {
      ...details,
      kind: 'throttled',
      scope: 'connection',
    });
  }
  const transient =
    status >= 500 || status < 400 || TRANSIENT_ERRORS.has(error ?? '') || TRANSIENT_NUMBERS.has(number ?? 0);
  if (transient || status === 408 || (error === undefined && number === undefined)) {
    return new GraphError(`Microsoft Entra gave no token (${shown})`, { ...details, kind: 'unavailable' });
  }
  const reason = `${reasonOf(number, error)} (${code})`;
  return new GraphError(`Microsoft Entra refused the credentials (${shown})`, {
    ...details,
    kind: 'credential_refused',
    reason,
  });
}

/** A credential that cannot even be sent, such as a private key that is none. */
export function credentialError(reason: string, code = 'InvalidCredential', cause?: unknown): GraphError {
  const words = 'The credential cannot be used';
  return new GraphError(`${words} (${code})`, { kind: 'credential_refused', code, reason, cause });
}

/** A tenant id that is neither a GUID nor a domain: Entra's AADSTS900023, said without asking. */
export function malformedTenant(): GraphError {
  return credentialError(`${REASONS[900023]} (AADSTS900023)`, 'AADSTS900023');
}

/** A token endpoint to which a secret must not be sent. */
export function insecureEndpoint(): GraphError {
  const reason = 'The login service names a token endpoint without https. Check the login URL of the connection.';
  return credentialError(reason, 'InsecureEndpoint');
}

/** An answer that says success and holds no token. */
export function emptyToken(status: number): GraphError {
  return exchangeError('Truncated', `Microsoft Entra answered ${status} without a token`, {
    kind: 'unavailable',
    status,
  });
}

function reasonOf(number: number | undefined, error: string | undefined): string {
  const byNumber = number === undefined ? undefined : REASONS[number];
  return byNumber ?? BY_ERROR[error ?? ''] ?? 'Microsoft Entra refused the credentials.';
}

function readBody(body: unknown): { error?: string; number?: number; traceId?: string } {
  if (typeof body !== 'object' || body === null) return {};
  const { error, error_codes: numbers, error_description: text, trace_id: trace } = body as Record<string, unknown>;
  const first: unknown = Array.isArray(numbers) ? numbers[0] : undefined;
  const written = typeof text === 'string' ? /AADSTS(\d{4,9})/.exec(text)?.[1] : undefined;
  const number = typeof first === 'number' && Number.isSafeInteger(first) ? first : Number(written ?? NaN);
  const traceId = cleanId(trace);
  return {
    ...(typeof error === 'string' && /^\w{1,60}$/.test(error) && { error }),
    ...(Number.isSafeInteger(number) && { number }),
    ...(traceId !== undefined && { traceId }),
  };
}
