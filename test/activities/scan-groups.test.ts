import { describe, expect, it } from 'vitest';
import { alike } from '../../activities/scan-groups.ts';
import type { ScanFilters, ScanMode } from '../../model/scan.ts';
import type { Scan } from '../../store/scans.ts';

const scan = (scanNo: number, filters: ScanFilters, mode: ScanMode = 'full'): Scan =>
  ({ scanNo, filters, mode }) as unknown as Scan;
const numbers = (scans: readonly Scan[]): number[][] => alike(scans).map((group) => group.map(({ scanNo }) => scanNo));

describe('scans that wait for one mailbox', () => {
  it('share a read where they want the same, in whatever order they name it', () => {
    const wishes = [scan(1, { folders: ['inbox', 'sent'] }), scan(2, { folders: ['sent', 'inbox', 'sent'] })];
    expect(numbers(wishes)).toEqual([[1, 2]]);
  });

  it('are read for one after the other where their folders, windows, modes or contents differ', () => {
    const since = '2026-01-01T00:00:00Z';
    const wishes = [
      scan(1, { folders: ['inbox'] }),
      scan(2, { folders: ['all'] }),
      scan(3, { folders: ['inbox'], since }),
      scan(4, { folders: ['inbox'] }, 'incremental'),
      scan(5, { folders: ['inbox'], since }),
      scan(6, { folders: ['inbox'], until: since }),
      scan(7, { folders: ['inbox'], content: 'headers' }),
      scan(8, { folders: ['inbox'], content: 'full' }),
    ];
    expect(numbers(wishes)).toEqual([[1, 8], [2], [3, 5], [4], [6], [7]]);
  });
});
