import { Linter } from 'eslint';
import { expect, it } from 'vitest';
import tseslint from 'typescript-eslint';
import config from '../../eslint.config.js';

/** What the rules of the house say of one line in a file; only those that need no types. */
function complaints(file: string, line: string): string[] {
  const arrows = (config as { files?: string[]; rules?: Linter.RulesRecord }[]).filter(
    ({ files, rules }) => files?.[0] === `${file.split('/')[0]}/**/*.ts` && rules !== undefined,
  );
  expect(arrows).toHaveLength(1);
  const linted = new Linter().verify(
    line,
    [
      {
        files: ['**/*.ts'],
        languageOptions: { parser: tseslint.parser },
        plugins: { '@typescript-eslint': tseslint.plugin },
        rules: arrows[0]!.rules!,
      },
    ],
    file,
  );
  return linted.map(({ message }) => message);
}

it.each([
  ['store/leases.ts', "import { openGraph } from '../graph/graph.ts';"],
  ['store/leases.ts', "import type { Graph } from '../graph/graph.ts';"],
  ['store/leases.ts', "export { openGraph } from '../graph/graph.ts';"],
  ['store/leases.ts', "const graph = await import('../graph/graph.ts');"],
  ['api/routes/scans.ts', "import { readSlice } from '../../activities/mailbox-slice.ts';"],
  ['simulator/index.ts', "import { toEmailRow } from '../model/email.ts';"],
  ['examples/utility/email.ts', "import type { UtilityPayload } from '../../model/utility-payload.ts';"],
  ['workflows/scan-tenant.ts', "import { readSlice } from '../activities/mailbox-slice.ts';"],
  ['workflows/scan-tenant.ts', "import { randomUUID } from 'node:crypto';"],
  ['api/routes/scans.ts', "import pg from 'pg';"],
  ['destinations/folder.ts', "import { openBlobs } from '../store/blobs/folder.ts';"],
  ['store/pages.ts', "import type { Sender } from '../destinations/sender.ts';"],
  ['activities/lease.ts', "import { stage } from '../test/activities/stage.ts';"],
])('in %s the linter refuses: %s', (file, line) => {
  expect(complaints(file, line)).toHaveLength(1);
});

it.each([
  ['store/database.ts', "import pg from 'pg';"],
  ['store/pages.ts', "import { toEmailRow } from '../model/email.ts';"],
  ['workflows/scan-tenant.ts', "import type { ScanActivities } from '../activities/scan-activities.ts';"],
  ['activities/lease.ts', "import type { Sender } from '../destinations/sender.ts';"],
  ['cli/commands/worker.ts', "const process = await import('../processes/worker-process.ts');"],
])('in %s the linter accepts: %s', (file, line) => {
  expect(complaints(file, line)).toEqual([]);
});
