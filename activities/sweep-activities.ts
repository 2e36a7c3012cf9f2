/** What a sweep came to. */
export interface SweepResult {
  /** Mailboxes that were probed. */
  readonly mailboxes: number;
  /** Of those, how many are due for a delta round; their readers have been asked. */
  readonly changed: number;
  /** Mailboxes that Graph does not let be read, or knows no longer. */
  readonly skipped: number;
  /** Mailboxes of which Graph told nothing now, throttled or failing: the next sweep asks again. */
  readonly untold: number;
  readonly ms: number;
}

/** What `sweepMailboxes` has done for it outside. */
export interface SweepActivities {
  /**
   * Probes each mailbox of the organization's running session with one request, and has those read that have changed.
   * Goes on where an attempt before it was lost.
   */
  probeMailboxes(input: { organizationId: string }): Promise<SweepResult>;
}
