/** How one step of a connection's check went. `skipped`: it was not tried, and the finding says why. */
export const FINDING_STATUSES = ['passed', 'failed', 'warning', 'skipped'] as const;
export type FindingStatus = (typeof FINDING_STATUSES)[number];

/** What one step of a connection's check found, in plain words. Without addresses, names and secrets. */
export interface Finding {
  /** What was tried: `token`, `User.Read.All`, `mailboxes`, ... */
  readonly name: string;
  /** `failed` where a scan cannot do without it; `warning` where it can. */
  readonly status: FindingStatus;
  /** What it means. */
  readonly meaning: string;
  /** What to do about it, click by click. */
  readonly advice?: string | undefined;
  /** Microsoft's page about it. */
  readonly link?: string | undefined;
  /** Microsoft's error code, or one of ours. */
  readonly code?: string | undefined;
  /** What Microsoft's support asks for. */
  readonly requestId?: string | undefined;
}

/** What came of a check. `unreachable`: Microsoft did not answer, so that nothing is known of the connection. */
export const CHECK_OUTCOMES = ['passed', 'warning', 'failed', 'unreachable'] as const;
export type CheckOutcome = (typeof CHECK_OUTCOMES)[number];

export interface CheckReport {
  readonly outcome: CheckOutcome;
  /** In the order in which they were tried. */
  readonly findings: readonly Finding[];
  /** When the credential ends, where the check has learnt it; ISO 8601. */
  readonly expiresAt?: string | undefined;
}
