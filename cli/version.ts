import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../embedded/package-root.ts';

/** The version of this installation, from its package.json. */
export function version(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  return version;
}

/** What a person types to run this program: npm says so in the environment where it was npm that ran us. */
export const programName = (env: NodeJS.ProcessEnv): string => (env['npm_command'] ? 'npx outhaul' : 'outhaul');

/** The program that children of ours are started with: the entry that `npx outhaul` runs as well. */
export const entryFile = (): string => join(packageRoot(), 'bin', 'outhaul.js');
