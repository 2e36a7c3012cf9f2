import type { DestinationFilters } from './destination-filters.ts';

/** Where mail is handed on to. */
export const DESTINATION_KINDS = ['redis_list', 'folder', 'utility', 'batch'] as const;
export type DestinationKind = (typeof DESTINATION_KINDS)[number];

/** What a kind is owed, and whether it takes that in the order of arrival, from one sender at a time. */
export const KIND_TRAITS: Readonly<
  Record<DestinationKind, { readonly owed: 'message' | 'attachment'; readonly ordered: boolean }>
> = {
  redis_list: { owed: 'attachment', ordered: true },
  folder: { owed: 'attachment', ordered: false },
  utility: { owed: 'message', ordered: false },
  batch: { owed: 'message', ordered: true },
};

/** `paused`: it is owed what comes, and gets nothing. */
export const DESTINATION_STATUSES = ['active', 'paused'] as const;
export type DestinationStatus = (typeof DESTINATION_STATUSES)[number];

/** What a new destination is owed: what is stored from now on, or what is stored already as well. */
export const DESTINATION_STARTS = ['now', 'stored'] as const;
export type DestinationStart = (typeof DESTINATION_STARTS)[number];

/** How urgent the mail of a utility is: whose sender goes first where the workers have not room for all. */
export const PRIORITIES = ['high', 'medium', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** How soon a utility of a priority is to have answered, and at most, ms: what the description of utilities asks of them. */
export const ANSWER_TARGETS_MS: Readonly<Record<Priority, { readonly aim: number; readonly most: number }>> = {
  high: { aim: 500, most: 2_000 },
  medium: { aim: 2_000, most: 5_000 },
  low: { aim: 5_000, most: 30_000 },
};

/** What every destination is set to. */
export interface CommonSettings {
  readonly filters: DestinationFilters;
  /** How often a delivery is tried before it becomes a dead letter. */
  readonly attempts: number;
  /** How long a delivery may be owed before it becomes a dead letter. */
  readonly maxWaitSeconds: number;
}

/** What every destination is set to that is reached over the network. */
export interface NetworkSettings extends CommonSettings {
  /** Whether it may be at a private or loopback address. */
  readonly allowPrivate: boolean;
  /** Certificate authorities beside the usual ones, as PEM. */
  readonly ca?: string;
}

/** Attachments as JSON, pushed onto a list. */
export interface RedisListSettings extends NetworkSettings {
  /** `redis://host:port/db`, or `rediss:` for TLS; without user and password. */
  readonly url: string;
  readonly username?: string;
  readonly list: string;
  /** Items that the list may hold: while it does, deliveries wait. */
  readonly maxLength: number;
}

/** Attachments as named files. */
export interface FolderSettings extends CommonSettings {
  /** A path on the machines of the workers. */
  readonly directory: string;
}

/** Messages, each in one request. */
export interface UtilitySettings extends NetworkSettings {
  /** To which `/process` and `/health` are added. */
  readonly endpoint: string;
  /** Requests at a time. */
  readonly concurrency: number;
  readonly timeoutSeconds: number;
  readonly priority: Priority;
}

/** What is known of messages, many in one request. */
export interface BatchSettings extends NetworkSettings {
  /** To which `/batch-metadata` is added. */
  readonly endpoint: string;
  /** Messages in one request. */
  readonly batchItems: number;
  /** How long a batch that is not full waits for more. */
  readonly batchWaitSeconds: number;
  readonly timeoutSeconds: number;
}

export interface SettingsOf {
  readonly redis_list: RedisListSettings;
  readonly folder: FolderSettings;
  readonly utility: UtilitySettings;
  readonly batch: BatchSettings;
}

/** A kind with its settings. */
export type KindSettings = {
  readonly [Kind in DestinationKind]: { readonly kind: Kind; readonly settings: SettingsOf[Kind] };
}[DestinationKind];

const COMMON = { filters: {}, attempts: 3, maxWaitSeconds: 7 * 24 * 3600 } as const;
const NETWORK = { ...COMMON, allowPrivate: false } as const;

/** What holds where nothing else was said. Where mail is to go has no default. */
export const SETTINGS_DEFAULTS = {
  redis_list: { ...NETWORK, list: 'email_attachments', maxLength: 1000 },
  folder: COMMON,
  utility: { ...NETWORK, concurrency: 25, timeoutSeconds: 30, priority: 'medium' },
  batch: { ...NETWORK, batchItems: 100, batchWaitSeconds: 2, timeoutSeconds: 30 },
} as const;

/** Settings as they may be given: those that have a default need not be. */
export type GivenSettings<Kind extends DestinationKind> = Partial<SettingsOf[Kind]> &
  Omit<SettingsOf[Kind], keyof (typeof SETTINGS_DEFAULTS)[Kind]>;

/** Settings with the defaults in place of what was not given. */
export const withDefaults = <Kind extends DestinationKind>(kind: Kind, given: GivenSettings<Kind>): SettingsOf[Kind] =>
  ({ ...SETTINGS_DEFAULTS[kind], ...given }) as unknown as SettingsOf[Kind];

/** What only the destination and the store may know; sealed at rest. */
export interface DestinationSecret {
  /** Of a utility or a batch receiver: the bearer token. */
  readonly token?: string;
  /** Of these: the key under which requests are signed. */
  readonly signingKey?: string;
  /** Of a Redis server. */
  readonly password?: string;
}
