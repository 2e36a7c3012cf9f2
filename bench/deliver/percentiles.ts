/** How long something took, most of the time and nearly always, ms. */
export interface Percentiles {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export function percentilesOf(times: readonly number[]): Percentiles {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number): number => Math.round(sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN);
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
