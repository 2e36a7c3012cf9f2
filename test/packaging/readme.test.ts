import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildProgram } from '../../cli/program.ts';
import { cliOfProcess } from '../../cli/cli.ts';
import { VARIABLES } from '../../config/variables.ts';
import { configurationTable, tableIn, withTable } from './configuration-table.ts';

const file = (name: string): URL => new URL(`../../${name}`, import.meta.url);

let pages: Map<string, string>;

beforeAll(async () => {
  if (process.env['UPDATE_README']) {
    const text = await readFile(file('README.md'), 'utf8');
    await writeFile(file('README.md'), withTable(text, configurationTable()));
  }
  const names = ['README.md', 'CONTRIBUTING.md', ...(await readdir(file('docs'))).map((name) => `docs/${name}`)];
  pages = new Map(await Promise.all(names.map(async (name) => [name, await readFile(file(name), 'utf8')] as const)));
});

const readme = (): string => pages.get('README.md') ?? '';
const all = (pattern: RegExp): [page: string, found: string][] =>
  [...pages].flatMap(([page, text]) =>
    [...text.matchAll(pattern)].map(([, found = '']): [string, string] => [page, found]),
  );

describe('the README', () => {
  it('has the table of variables that the code has (UPDATE_README=1 writes it)', () => {
    expect(tableIn(readme())).toBe(configurationTable());
  });
});

describe('the pages', () => {
  it('link to files and headings that exist', () => {
    for (const [page, link] of all(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : new URL(path, `file:///${page}`).pathname.slice(1);
      expect(existsSync(file(target)), `${page} links to ${link}`).toBe(true);
      if (anchor !== undefined)
        expect(anchorsOf(pages.get(target) ?? ''), `${page} links to ${link}`).toContain(anchor);
    }
  });

  it('name files that exist', () => {
    const rooms =
      'model|config|graph|store|temporal|activities|workflows|workers|api|embedded|simulator|cli|bench|chaos|test|docs';
    for (const [page, path] of all(new RegExp(`\`((?:${rooms})/[\\w./-]*)\``, 'g'))) {
      // The tests that this page names without their ending are held by `test/graph/facts.test.ts`.
      if (page === 'docs/graph-facts.md') continue;
      expect(existsSync(file(path)), `${page} names ${path}`).toBe(true);
    }
  });

  it('name commands and options that the command line has', () => {
    const cli = cliOfProcess();
    cli.interrupts.dispose();
    const { commands } = buildProgram(cli);
    for (const [page, line] of all(/(?:npx |^|`)outhaul ([a-z]+[^`\n|>#]*)/gm)) {
      const [name = '', ...words] = line.trim().split(/\s+/);
      const command = commands.find((one) => one.name() === name);
      if (!command) expect.fail(`${page} names "outhaul ${name}"`);
      const nested = command.commands.find((one) => one.name() === words[0]);
      const known = [command, ...(nested ? [nested] : [])].flatMap(({ options }) => options.map(({ long }) => long));
      for (const option of words.filter((word) => word.startsWith('--'))) {
        expect([...known, '--help'], `${page} names "outhaul ${line}"`).toContain(option);
      }
    }
  });

  it('name scripts that the package has', async () => {
    const { scripts } = JSON.parse(await readFile(file('package.json'), 'utf8')) as { scripts: Record<string, string> };
    for (const [page, script] of all(/npm run ([a-z:]+)/g)) expect(Object.keys(scripts), page).toContain(script);
  });

  it('name variables that the code has', () => {
    const others = ['UPDATE_README', 'WORKERS', 'NO_COLOR', 'TENANT_ID', 'SCAN_ID', 'OBJECT_ID'];
    for (const [page, name] of all(/`((?:OUTHAUL|OUTLOOK|TEMPORAL|DB|MAX|LOG)_[A-Z_]+)`/g)) {
      expect([...Object.keys(VARIABLES), 'OUTLOOK_RETRY_ATTEMPTS', ...others], page).toContain(name);
    }
  });
});

/** The anchors of a page's headings, as GitHub makes them. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
