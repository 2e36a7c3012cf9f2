import { randomUUID, timingSafeEqual } from 'node:crypto';
import type { Answer } from '../msgraph/answer.ts';
import type { Role } from '../msgraph/request.ts';
import type { AadstsNumber } from '../faults/fault-rule.ts';
import type { TenantPlan } from '../tenant/options.ts';
import { checkAssertion, type RegisteredKey, registeredKey } from './assertion.ts';
import { EntraFault, entraAnswer, entraFaultAnswer, entraFaults } from './entra-fault.ts';
import type { AccessTokens } from './tokens.ts';

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const DOMAIN = /^(?=.{4,253}$)([a-z0-9-]+\.)+[a-z]{2,}$/i;
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** What an administrator can have done to the application, beside its credentials and permissions. */
export type AppState =
  | 'enabled'
  /** Sign-in is switched off under Enterprise applications: 7000112. */
  | 'disabled'
  /** The registration is gone: 700016. */
  | 'deleted'
  /** The registration is there, its service principal in this tenant is not: 7000229. */
  | 'notInTenant'
  /** A Conditional Access policy for workload identities: 53003. */
  | 'blocked';

/** What can change about the app registration while the simulator runs. */
export interface AppRegistration {
  state: AppState;
  /** The tenant itself is gone, or its subscription: 90002. */
  isTenantGone: boolean;
  clientSecret: string;
  isSecretExpired: boolean;
  tokenLifetimeSeconds: number;
  roles: Role[];
  certificate: RegisteredKey | undefined;
}

/** The registration of a planned tenant. */
function registrationOf(plan: TenantPlan): AppRegistration {
  return {
    state: 'enabled',
    isTenantGone: false,
    clientSecret: plan.clientSecret,
    isSecretExpired: false,
    tokenLifetimeSeconds: plan.tokenLifetimeSeconds,
    roles: ['User.Read.All', 'Mail.Read', 'MailboxSettings.Read'],
    certificate: plan.certificate === undefined ? undefined : registeredKey(plan.certificate),
  };
}

/** Microsoft Entra's token endpoint and discovery documents, for one tenant with one application. */
export class Entra {
  readonly registration: AppRegistration;
  /** Tokens issued since the start. */
  issued = 0;
  readonly #plan: TenantPlan;
  readonly #tokens: AccessTokens;

  constructor(plan: TenantPlan, tokens: AccessTokens) {
    this.#plan = plan;
    this.#tokens = tokens;
    this.registration = registrationOf(plan);
  }

  /** Answers `POST /{tenant}/oauth2/v2.0/token`. */
  token(tenant: string, form: URLSearchParams): Answer {
    const correlationId = form.get('client-request-id') ?? randomUUID();
    try {
      this.#checkTenant(tenant);
      this.#checkForm(tenant, form);
    } catch (error) {
      if (error instanceof EntraFault) return entraFaultAnswer(error, correlationId);
      throw error;
    }
    this.issued++;
    const { clientId, tenantId } = this.#plan;
    const { tokenLifetimeSeconds, roles } = this.registration;
    return entraAnswer(200, {
      token_type: 'Bearer',
      expires_in: tokenLifetimeSeconds,
      ext_expires_in: tokenLifetimeSeconds,
      access_token: this.#tokens.issue({ appid: clientId, tid: tenantId, roles: [...roles] }, tokenLifetimeSeconds),
    });
  }

  /**
   * Answers both discovery paths. `host` is the one that the client asked: the authority is always https, as clients
   * demand, and who talks to the simulator over plain http maps it back.
   */
  discovery(tenant: string, host: string): Answer {
    try {
      this.#checkTenant(tenant);
    } catch (error) {
      if (!(error instanceof EntraFault)) throw error;
      return entraFaultAnswer(entraFaults.unknownTenant(tenant, 'invalid_tenant'), randomUUID());
    }
    const authority = `https://${host}/${tenant}`;
    return entraAnswer(200, {
      token_endpoint: `${authority}/oauth2/v2.0/token`,
      token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
      jwks_uri: `${authority}/discovery/v2.0/keys`,
      response_modes_supported: ['query', 'fragment', 'form_post'],
      subject_types_supported: ['pairwise'],
      id_token_signing_alg_values_supported: ['RS256'],
      response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
      scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
      issuer: `https://${host}/${this.#plan.tenantId}/v2.0`,
      authorization_endpoint: `${authority}/oauth2/v2.0/authorize`,
      device_authorization_endpoint: `${authority}/oauth2/v2.0/devicecode`,
      end_session_endpoint: `${authority}/oauth2/v2.0/logout`,
      tenant_region_scope: 'EU',
      cloud_instance_name: 'microsoftonline.com',
      cloud_graph_host_name: 'graph.windows.net',
      msgraph_host: 'graph.microsoft.com',
    });
  }

  /** Takes back every token issued so far. */
  revokeTokens(): void {
    this.#tokens.revokeAll();
  }

  /** Registers a certificate (PEM) in place of the one before, or none. */
  register(certificate: string | undefined): void {
    this.registration.certificate = certificate === undefined ? undefined : registeredKey(certificate);
  }

  /** The answer with which Entra refuses a request by this AADSTS number, whatever the request holds. */
  refusal(number: AadstsNumber, tenant: string, form: URLSearchParams): Answer {
    const clientId = form.get('client_id') ?? this.#plan.clientId;
    return entraFaultAnswer(faultBy(number, tenant, clientId), form.get('client-request-id') ?? randomUUID());
  }

  #checkTenant(tenant: string): void {
    const known = this.registration.isTenantGone ? [] : [this.#plan.tenantId, this.#plan.domain];
    if (known.some((name) => name.toLowerCase() === tenant.toLowerCase())) return;
    throw GUID.test(tenant) || DOMAIN.test(tenant)
      ? entraFaults.unknownTenant(tenant)
      : entraFaults.malformedTenant(tenant);
  }

  #checkForm(tenant: string, form: URLSearchParams): void {
    const grant = form.get('grant_type');
    if (grant === null) throw entraFaults.missing('grant_type');
    if (grant !== 'client_credentials') throw entraFaults.badGrant(grant);
    const clientId = form.get('client_id');
    if (clientId === null) throw entraFaults.missing('client_id');
    if (clientId.toLowerCase() !== this.#plan.clientId.toLowerCase()) throw entraFaults.unknownClient(clientId, tenant);
    this.#checkState(tenant, clientId);
    const scope = form.get('scope') ?? '';
    // msal adds the scopes of OpenID Connect to some requests; they mean nothing in this flow.
    if (!scope.split(' ').some((name) => /^https?:\/\/[^/]+\/+\.default$/.test(name)))
      throw entraFaults.badScope(scope);
    const assertion = form.get('client_assertion');
    if (assertion !== null && form.get('client_assertion_type') === ASSERTION) {
      checkAssertion(assertion, this.registration.certificate, this.#plan.clientId);
      return;
    }
    const secret = form.get('client_secret');
    if (secret === null || secret === '') throw entraFaults.noCredential();
    if (!isSame(secret, this.registration.clientSecret)) throw entraFaults.wrongSecret(this.#plan.clientId);
    if (this.registration.isSecretExpired) throw entraFaults.expiredSecret(this.#plan.clientId);
  }

  #checkState(tenant: string, clientId: string): void {
    switch (this.registration.state) {
      case 'enabled':
        return;
      case 'disabled':
        throw entraFaults.disabledClient(clientId);
      case 'deleted':
        throw entraFaults.unknownClient(clientId, tenant);
      case 'notInTenant':
        throw entraFaults.missingPrincipal(clientId, tenant);
      case 'blocked':
        throw entraFaults.blockedByPolicy();
    }
  }
}

function faultBy(number: AadstsNumber, tenant: string, clientId: string): EntraFault {
  switch (number) {
    case 7000215:
      return entraFaults.wrongSecret(clientId);
    case 7000222:
      return entraFaults.expiredSecret(clientId);
    case 700016:
      return entraFaults.unknownClient(clientId, tenant);
    case 7000229:
      return entraFaults.missingPrincipal(clientId, tenant);
    case 7000112:
      return entraFaults.disabledClient(clientId);
    case 700027:
      return entraFaults.badAssertion('The key was not found.');
    case 90002:
      return entraFaults.unknownTenant(tenant);
    case 900023:
      return entraFaults.malformedTenant(tenant);
    case 53003:
      return entraFaults.blockedByPolicy();
    case 90033:
      return entraFaults.unavailable();
  }
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
