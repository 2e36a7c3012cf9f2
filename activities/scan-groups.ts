import { contentOf } from '../model/content.ts';
import type { ScanFilters } from '../model/scan.ts';
import type { Scan } from '../store/scans.ts';

/**
 * Scans that want the same of a mailbox, in groups: one read serves a group. What one of them wants is never credited to
 * another that wants less, or something else.
 */
export function alike(scans: readonly Scan[]): Scan[][] {
  const groups = new Map<string, Scan[]>();
  for (const scan of scans) {
    const wish = `${scan.mode} ${wishOf(scan.filters)}`;
    groups.set(wish, [...(groups.get(wish) ?? []), scan]);
  }
  return [...groups.values()];
}

/** What is wanted of a mailbox, in a form that can be compared. */
export const wishOf = ({ folders, since, until, content }: ScanFilters): string =>
  JSON.stringify([since ?? null, until ?? null, contentOf({ content }), [...new Set(folders)].sort()]);
