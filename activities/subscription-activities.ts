/** How the subscriptions of a session stand after a look at all that was due. */
export interface SubscriptionsKept {
  /** In how many ms the next is to be created, renewed or tried again; a day where there is nothing to do. */
  readonly nextDueMs: number;
  readonly active: number;
  /** Mailboxes of which Graph gives no notifications; their rows say why. */
  readonly refused: number;
  /** Why Graph cannot send notifications to us, in words for people. Then no more are created until `nextDueMs`. */
  readonly unreachable?: string;
}

/** Whether Graph can send notifications to the session's URL. */
export type PublicUrlCheck = { readonly reachable: true } | { readonly reachable: false; readonly reason: string };

interface SessionName {
  readonly organizationId: string;
  readonly sessionNo: number;
}

/** What `keepSession` has done for it outside about subscriptions to change notifications. */
export interface SubscriptionActivities {
  /**
   * Tells whether Graph reaches the session's `notification_url`, by asking for the first subscription; removes what a
   * run that crashed has left at Graph. Options: `PUBLIC_URL_CHECK`.
   */
  checkPublicUrl(input: SessionName): Promise<PublicUrlCheck>;
  /**
   * Creates, renews and tries again what is due among the subscriptions of the followed mailboxes, and removes those of
   * mailboxes that are followed no longer. Options: `SUBSCRIBING`.
   */
  keepSubscriptions(input: SessionName): Promise<SubscriptionsKept>;
  /** Removes all subscriptions of the session, and those that lead to our URL and that no row knows. Options: `UNSUBSCRIBING`. */
  removeSubscriptions(input: SessionName): Promise<{ readonly removed: number }>;
}
