import { randomUUID, timingSafeEqual } from 'node:crypto';
import type { Answer } from '../msgraph/answer.ts';
import type { Role } from '../msgraph/request.ts';
import type { TenantPlan } from '../tenant/options.ts';
import { checkAssertion, type RegisteredKey, registeredKey } from './assertion.ts';
import { EntraFault, entraAnswer, entraFaultAnswer, entraFaults } from './entra-fault.ts';
import type { AccessTokens } from './tokens.ts';

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const DOMAIN = /^(?=.{4,253}$)([a-z0-9-]+\.)+[a-z]{2,}$/i;
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** What can change about the app registration while the simulator runs. */
export interface AppRegistration {
  clientSecret: string;
  isSecretExpired: boolean;
  tokenLifetimeSeconds: number;
  roles: Role[];
  certificate: RegisteredKey | undefined;
}

/** The registration of a planned tenant. */
export function registrationOf(plan: TenantPlan): AppRegistration {
  return {
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

  #checkTenant(tenant: string): void {
    const known = [this.#plan.tenantId, this.#plan.domain];
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
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
