import type { AttachmentOptions } from '../mail/attachment-plan.ts';
import { guidFrom, lettersFrom, seedFor } from '../mail/rng.ts';

/** What a user of the tenant is, and with it how Graph answers for the mailbox. */
export type UserKind =
  /** An ordinary user with a mailbox. */
  | 'user'
  /** A shared mailbox: disabled account without licences. */
  | 'shared'
  /** A room mailbox: disabled account without licences. */
  | 'room'
  /** A former employee: disabled account whose mailbox is still there. */
  | 'disabled'
  /** A guest of the tenant: 404 `MailboxNotEnabledForRESTAPI`. */
  | 'guest'
  /** A user without a licence: 404 `MailboxNotEnabledForRESTAPI`. */
  | 'unlicensed'
  /** A user whose mailbox a policy keeps from the application: 403 `ErrorAccessDenied`. */
  | 'denied';

/** A user that a test asks for by name. */
export interface UserSpec {
  kind?: UserKind;
  /** Default: made from the display name and the tenant's domain. */
  userPrincipalName?: string;
  displayName?: string;
  /** Generated messages in the mailbox. Default 0. */
  messages?: number;
}

/** The tenant that is simulated. All of it follows from these options: the same options give the same tenant. */
export interface TenantOptions {
  /** Default: a GUID that depends on the seed. */
  tenantId?: string;
  /** The verified domain, usable in place of the tenant id. Default `harbour.example`. */
  domain?: string;
  /** Default: a GUID that depends on the seed. */
  clientId?: string;
  /** Default: 40 characters that depend on the seed. */
  clientSecret?: string;
  /** PEM of the certificate or public key that is registered for client assertions. Default: none. */
  certificate?: string;
  /** Default 1. */
  seed?: number;
  /** Readable mailboxes that are generated. Default 10. */
  mailboxes?: number;
  /** Messages in all generated mailboxes together, some with several times as many as others. Default 5,000; 0 with `mailFolder`. */
  messages?: number;
  /** Messages in every generated mailbox, in place of `messages`. */
  messagesPerMailbox?: number;
  /**
   * Folders that hold mail, with even shares: the standard ones first, then the user's own. Default: a varied tree of
   * about 20 folders with hidden ones, search folders and some recoverable items that are not counted as messages.
   */
  folders?: number;
  /** A folder of `.eml` files and mbox archives whose mail is spread over mailboxes and folders. */
  mailFolder?: string;
  /** Users beside the generated ones. */
  users?: readonly UserSpec[];
  /**
   * Whether the generated tenant has a guest, an unlicensed user and a user denied by policy, and a shared, a room and a
   * disabled mailbox among its mailboxes. Default true.
   */
  specialUsers?: boolean;
  /**
   * Messages such as PostgreSQL or a careless reader would refuse: true puts every kind there is into each mailbox that
   * has room, false none. Default: one message in a hundred.
   */
  oddMessages?: boolean;
  /**
   * Average length of a body's text in bytes. Default 60: messages of about 1.9 KB with every member that
   * Graph gives, about 1.6 KB with those that a mail table needs.
   */
  bodyBytes?: number;
  /**
   * The attachments of generated messages. Default: one message in eight has one to three files of 200 bytes to 60 KB, one
   * file in 500 of 4 MB. An empty object makes other ones, as its own defaults say.
   */
  attachments?: AttachmentOptions;
  /** Lifetime of access tokens. Default 3,599. */
  tokenLifetimeSeconds?: number;
  /** When the newest generated message arrived. Default 1 November 2026. */
  newestMessage?: Date;
}

type Optional = 'certificate' | 'folders' | 'mailFolder' | 'oddMessages' | 'messagesPerMailbox' | 'attachments';

/** The options with every default filled in. */
export type TenantPlan = Required<Omit<TenantOptions, Optional>> & Pick<TenantOptions, Optional>;

/** Fills in the defaults. */
export function planTenant(options: TenantOptions): TenantPlan {
  const seed = options.seed ?? 1;
  return {
    ...options,
    seed,
    tenantId: options.tenantId ?? guidFrom(seedFor(seed, 'tenant'), 0),
    clientId: options.clientId ?? guidFrom(seedFor(seed, 'client'), 0),
    clientSecret: options.clientSecret ?? `sim8Q~${lettersFrom(seedFor(seed, 'secret'), 34)}`,
    domain: options.domain ?? 'harbour.example',
    mailboxes: options.mailboxes ?? 10,
    messages: options.messages ?? (options.mailFolder === undefined ? 5_000 : 0),
    users: options.users ?? [],
    specialUsers: options.specialUsers ?? true,
    bodyBytes: options.bodyBytes ?? 60,
    tokenLifetimeSeconds: options.tokenLifetimeSeconds ?? 3_599,
    newestMessage: options.newestMessage ?? new Date('2026-11-01T00:00:00Z'),
  };
}
