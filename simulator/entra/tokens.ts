import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { faults } from '../msgraph/fault.ts';
import type { Role } from '../msgraph/request.ts';

/** Claims of an access token that Graph looks at. */
interface Claims {
  exp: number;
  appid: string;
  tid: string;
  roles: Role[];
  /** Tokens of earlier generations were revoked. */
  gen: number;
}

/**
 * Issues access tokens and checks them. To the client they are opaque; here they are signed, so that none has to be
 * remembered. The permissions are those at the time of issue: a change of consent shows in the next token only.
 */
export class AccessTokens {
  readonly #key = randomBytes(32);
  readonly #known = new Map<string, Claims>();
  #generation = 0;

  issue(claims: Pick<Claims, 'appid' | 'tid' | 'roles'>, lifetimeSeconds: number): string {
    const now = Math.floor(Date.now() / 1000);
    const header = encode({ typ: 'JWT', alg: 'RS256', kid: 'simulator' });
    const body = encode({
      aud: 'https://graph.microsoft.com',
      iss: `https://sts.windows.net/${claims.tid}/`,
      iat: now,
      nbf: now,
      exp: now + lifetimeSeconds,
      uti: randomBytes(12).toString('base64url'),
      ...claims,
      gen: this.#generation,
    });
    return `${header}.${body}.${this.#sign(`${header}.${body}`).toString('base64url')}`;
  }

  /** Takes back every token issued so far. */
  revokeAll(): void {
    this.#generation++;
    this.#known.clear();
  }

  /**
   * The permissions behind an `Authorization` header.
   *
   * @throws GraphFault 401 where it has no token, or one that is unknown, revoked or expired.
   */
  check(authorization: string | undefined): ReadonlySet<Role> {
    const token = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw faults.noToken();
    const claims = this.#known.get(token) ?? this.#verify(token);
    if (claims.exp * 1000 <= Date.now()) throw faults.expiredToken();
    return new Set(claims.roles);
  }

  #verify(token: string): Claims {
    const [header, body, signature] = token.split('.');
    const expected = this.#sign(`${header}.${body}`);
    const given = Buffer.from(signature ?? '', 'base64url');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw faults.unknownToken();
    const claims = JSON.parse(Buffer.from(body ?? '', 'base64url').toString()) as Claims;
    if (claims.gen !== this.#generation) throw faults.expiredToken();
    if (this.#known.size > 1_000) this.#known.clear();
    this.#known.set(token, claims);
    return claims;
  }

  #sign(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
