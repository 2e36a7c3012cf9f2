import { expect, it } from 'vitest';
import { coverageCsv } from '../../api/coverage-csv.ts';
import type { CoveragePage, CoveredFolder } from '../../store/coverage.ts';

const folder = (folderId: string): Partial<CoveredFolder> => ({
  ...{ folderId, path: 'inbox/Projects', state: 'completed', unexplainedMessages: [] },
});

it('tells folders of one path apart by their ids', async () => {
  const folders = [folder('folder-1'), folder('folder-2')];
  const page = { mailboxes: [{ mailboxId: 'm', state: 'completed', folders }] } as unknown as CoveragePage;
  const pages = (async function* () {
    yield await Promise.resolve(page);
  })();
  let csv = '';
  for await (const piece of coverageCsv(pages)) csv += piece;
  const [header = '', ...lines] = csv.trimEnd().split('\n');
  const at = header.split(',').indexOf('folder_id');
  expect(lines.map((line) => line.split(',').slice(at, at + 2))).toEqual([
    ['folder-1', 'inbox/Projects'],
    ['folder-2', 'inbox/Projects'],
  ]);
});
