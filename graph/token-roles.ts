/** App roles that let an app read whole messages. There is no `Mail.Read.All`. */
export const MAIL_ROLES: readonly string[] = ['Mail.Read', 'Mail.ReadWrite'];

/** The app roles in a token, or undefined where it cannot be looked into. For diagnosis only: tokens are opaque. */
export function rolesOf(token: string): string[] | undefined {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as unknown;
    const { roles, appid } = Object(claims) as { roles?: unknown; appid?: unknown };
    if (Array.isArray(roles)) return roles.filter((role) => typeof role === 'string');
    return typeof appid === 'string' ? [] : undefined;
  } catch {
    return undefined;
  }
}
