/** One value, with labels beside that of the organization; without a value it is left out. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number | null | undefined];

/** A metric as a scraper is told of it, for all organizations. */
export interface Family<T> {
  readonly name: string;
  readonly help: string;
  /** Beside `organization`. */
  readonly labels?: readonly string[];
  /** What it counts only grows. */
  readonly counts?: true;
  readonly samples: (measured: T) => readonly Sample[];
}
