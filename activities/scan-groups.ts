import type { Scan } from '../store/scans.ts';

/**
 * Scans that want the same of a mailbox, in groups: one read serves a group. What one of them wants is never credited to
 * another that wants less, or something else.
 */
export function alike(scans: readonly Scan[]): Scan[][] {
  const groups = new Map<string, Scan[]>();
  for (const scan of scans) {
    const { folders, since, until } = scan.filters;
    const wish = JSON.stringify([scan.mode, since ?? null, until ?? null, [...new Set(folders)].sort()]);
    groups.set(wish, [...(groups.get(wish) ?? []), scan]);
  }
  return [...groups.values()];
}
