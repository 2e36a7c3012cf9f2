/** What `deliver` has done for it outside. */
export interface DeliverActivities {
  /**
   * Hands on what a destination is owed, for some minutes, and a little longer than there is something.
   * @returns in how many ms to look again; 0: there is more; null: not before somebody says so, for nothing is owed, or the
   * destination is paused, or gone
   */
  drainDestination(input: { readonly destinationId: string }): Promise<{ readonly dueInMs: number | null }>;
}
