import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const PROGRAMS = ['redis-server', 'valkey-server'];
/** Where package managers put them, whatever the path says. */
const USUAL = ['/usr/local/bin', '/usr/bin', '/opt/homebrew/bin'];

/** A Redis server that is installed on this machine, Valkey included; undefined where there is none. */
export const findRedisProgram = (env: NodeJS.ProcessEnv = process.env): string | undefined =>
  [...(env['PATH'] ?? '').split(delimiter), ...USUAL]
    .flatMap((folder) => PROGRAMS.map((program) => join(folder, program)))
    .find((file) => existsSync(file));
