import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** The rows of the tables as `fact | file | title`, one for each test that is named. */
function namedTests(): [fact: string, file: string, title: string][] {
  const rows = read('docs/graph-facts.md')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split(' | ').map((cell) => cell.replaceAll(/^\| | \|$/g, '').trim()))
    .filter(([fact = '']) => !['fact', 'fault'].includes(fact) && !fact.startsWith('---') && !fact.startsWith('| ---'));
  return rows.flatMap(([fact = '', , tests = '']) =>
    tests.split(/; (?=`)/).map((named): [string, string, string] => {
      const [, file = '', title = ''] = /^`([\w/-]+)`: (.+)$/.exec(named) ?? [];
      return [fact, file, title];
    }),
  );
}

test.each(namedTests())('%s: held by a test of %s, %s', (_fact, file, title) => {
  expect(read(`test/${file}.test.ts`)).toContain(title);
});
