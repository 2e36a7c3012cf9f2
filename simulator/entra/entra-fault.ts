import { randomUUID } from 'node:crypto';
import type { Answer } from '../msgraph/answer.ts';

/** An error answer of the token endpoint, with its AADSTS number. */
export class EntraFault extends Error {
  readonly status: number;
  readonly error: string;
  readonly number: number;

  constructor(status: number, error: string, number: number, message: string) {
    super(`AADSTS${number}: ${message}`);
    this.name = 'EntraFault';
    this.status = status;
    this.error = error;
    this.number = number;
  }
}

/** The errors that an administrator can cause, each told apart. */
export const entraFaults = {
  wrongSecret: (clientId: string) =>
    new EntraFault(
      401,
      'invalid_client',
      7000215,
      `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`,
    ),
  expiredSecret: (clientId: string) =>
    new EntraFault(
      401,
      'invalid_client',
      7000222,
      `The provided client secret keys for app '${clientId}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.`,
    ),
  unknownClient: (clientId: string, tenant: string) =>
    new EntraFault(
      400,
      'unauthorized_client',
      700016,
      `Application with identifier '${clientId}' was not found in the directory '${tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`,
    ),
  missingPrincipal: (clientId: string, tenant: string) =>
    new EntraFault(
      401,
      'invalid_client',
      7000229,
      `The client application '${clientId}' is missing service principal in the tenant '${tenant}'. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119.`,
    ),
  disabledClient: (clientId: string) =>
    new EntraFault(400, 'unauthorized_client', 7000112, `Application '${clientId}'(Mail reader) is disabled.`),
  blockedByPolicy: () =>
    new EntraFault(
      400,
      'invalid_grant',
      53003,
      'Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.',
    ),
  unavailable: () =>
    new EntraFault(503, 'temporarily_unavailable', 90033, 'A transient error has occurred. Please try again.'),
  unknownTenant: (tenant: string, error: 'invalid_request' | 'invalid_tenant' = 'invalid_request') =>
    new EntraFault(
      400,
      error,
      90002,
      `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
    ),
  malformedTenant: (tenant: string) =>
    new EntraFault(
      400,
      'invalid_request',
      900023,
      `Specified tenant identifier '${tenant}' is neither a valid DNS name, nor a valid external domain.`,
    ),
  noCredential: () =>
    new EntraFault(
      401,
      'invalid_client',
      7000218,
      "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
  badScope: (scope: string) =>
    new EntraFault(
      400,
      'invalid_scope',
      70011,
      `The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope ${scope} is not valid.`,
    ),
  badAssertion: (reason: string) =>
    new EntraFault(
      401,
      'invalid_client',
      700027,
      `Client assertion contains an invalid signature. [Reason - ${reason}]`,
    ),
  badGrant: (grant: string) =>
    new EntraFault(400, 'unsupported_grant_type', 70003, `The app requested an unsupported grant type '${grant}'.`),
  missing: (parameter: string) =>
    new EntraFault(
      400,
      'invalid_request',
      900144,
      `The request body must contain the following parameter: '${parameter}'.`,
    ),
};

/** The answer that an Entra fault is sent as. */
export function entraFaultAnswer(fault: EntraFault, correlationId: string): Answer {
  const traceId = randomUUID();
  const timestamp = `${new Date().toISOString().slice(0, 19).replace('T', ' ')}Z`;
  return entraAnswer(fault.status, {
    error: fault.error,
    error_description: `${fault.message}\r\nTrace ID: ${traceId}\r\nCorrelation ID: ${correlationId}\r\nTimestamp: ${timestamp}`,
    error_codes: [fault.number],
    timestamp,
    trace_id: traceId,
    correlation_id: correlationId,
    error_uri: `https://login.microsoftonline.com/error?code=${fault.number}`,
  });
}

/** A JSON answer of Entra. */
export function entraAnswer(status: number, body: unknown): Answer {
  const headers = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store, no-cache' };
  return { status, headers, body: [Buffer.from(JSON.stringify(body))] };
}
