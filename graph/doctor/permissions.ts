import { MAIL_ROLES } from '../token-roles.ts';
import { failed, PAGES, passed, skipped, warning, type Judged } from './finding.ts';

/** What Outhaul uses. */
const USED = ['User.Read.All', 'Mail.Read', 'MailboxSettings.Read'];
/** All of a message but its body, preview and attachments. */
const BASIC_ROLES = ['Mail.ReadBasic.All', 'Mail.ReadBasic'];

/** The clicks that give an app a permission. */
export const grant = (permission: string): string =>
  'In the Microsoft Entra admin center (entra.microsoft.com) open App registrations, All applications, the app, API ' +
  `permissions. Choose "Add a permission", Microsoft Graph, Application permissions (not Delegated), tick ${permission}, ` +
  'choose "Add permissions", and then "Grant admin consent". It can take some minutes to work.';

const RBAC =
  'Where the app is meant to read some mailboxes only, leave it out in Entra and give it the role "Application ' +
  'Mail.Read" for these in Exchange (RBAC for Applications); then name one of them to be tried.';

/** What the tries have shown of mail, beside what the token says. */
export interface MailSeen {
  /** Whether a mailbox could be opened. */
  readonly opened: boolean;
  /** Whether a message came with its body; undefined where none was there to try. */
  readonly hasBody: boolean | undefined;
}

/**
 * `Mail.Read`: by what the token names and by what could be read. An app may have it from Exchange (RBAC for
 * Applications) and not from Entra; then the token does not name it and mail can be read all the same.
 * @param roles undefined where the token cannot be looked into
 */
export function mailPermission(roles: readonly string[] | undefined, { opened, hasBody }: MailSeen): Judged {
  const name = 'Mail.Read';
  if (roles?.some((role) => MAIL_ROLES.includes(role))) {
    return passed(name, 'The app may read mail.');
  }
  if (hasBody === true) {
    return passed(name, roles ? 'Exchange lets the app read mail (RBAC for Applications).' : 'The app may read mail.');
  }
  const basic = roles?.find((role) => BASIC_ROLES.includes(role));
  if (basic !== undefined || hasBody === false) {
    return failed(name, {
      meaning: `The app may read messages only in part${basic === undefined ? '' : ` (${basic})`}: bodies, previews and attachments would be missing.`,
      advice: `${grant('Mail.Read')} ${basic === undefined ? '' : `${basic} can be removed.`}`.trim(),
      link: PAGES.permissions,
      code: 'MailReadBasic',
    });
  }
  if (opened) return passed(name, 'The app can open mailboxes; there was no message to try.');
  if (roles === undefined) return skipped(name, 'The token does not show it, and there was no mailbox to try it with.');
  return failed(name, {
    meaning: 'The app may not read mail.',
    advice: `${grant('Mail.Read')} There is no Mail.Read.All: as an application permission Mail.Read means every mailbox. ${RBAC}`,
    link: PAGES.permissions,
    code: 'MailReadMissing',
  });
}

/** `MailboxSettings.Read`, which is nice to have. */
export function settingsPermission(roles: readonly string[] | undefined): Judged {
  const name = 'MailboxSettings.Read';
  if (roles?.includes(name)) return passed(name, 'The app may tell shared and room mailboxes from those of people.');
  return skipped(
    name,
    roles ? 'Not granted, and not needed: it tells shared and room mailboxes from those of people.' : UNSEEN,
  );
}

const UNSEEN = 'The token does not show it.';

/** Permissions beyond those that Outhaul uses; those that let the app change something are named as such. */
export function surplusPermissions(roles: readonly string[] | undefined): Judged {
  const name = 'other permissions';
  if (roles === undefined) return skipped(name, UNSEEN);
  const surplus = roles.filter((role) => !USED.includes(role)).sort();
  if (surplus.length === 0) return passed(name, 'The app has no permission that Outhaul does not use.');
  const dangerous = surplus.filter(isDangerous);
  const meaning = [
    `The app has permissions that Outhaul does not use: ${surplus.join(', ')}.`,
    ...(dangerous.length > 0
      ? [`Whoever gets hold of the credential could change or send things with ${dangerous.join(', ')}.`]
      : []),
    ...(surplus.includes('Mail.ReadWrite') ? ['Mail.ReadWrite is of use only to mark messages as read.'] : []),
  ].join(' ');
  return warning(name, {
    meaning,
    advice:
      'If nothing else uses this app, remove them: Microsoft Entra admin center, App registrations, the app, API ' +
      'permissions, "…" beside each, "Revoke admin consent" and then "Remove permission".',
    link: PAGES.permissions,
    code: dangerous.length > 0 ? 'DangerousPermissions' : 'SurplusPermissions',
  });
}

/** By the parts of its name: what writes, sends, makes, deletes or may do everything. */
const isDangerous = (role: string): boolean =>
  /(^|\.)(\w*Write\w*|Send\w*|Manage\w*|Create\w*|Delete\w*|FullControl|full_access_as_app)(\.|$)/.test(role);
