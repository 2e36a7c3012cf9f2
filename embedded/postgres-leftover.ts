import { readFile, readlink, realpath, rm } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PostgresStartError } from './errors.ts';
import { endLeftover } from './leftover.ts';
import { STOP_STEPS } from './postgres-cluster.ts';
import { identify } from './process-identity.ts';

/**
 * Shuts down a server that still runs in this data directory, left by a process that was killed. A `postmaster.pid` whose
 * pid now belongs to another program is removed, which PostgreSQL would not dare.
 */
export async function endLeftoverPostgres(
  data: string,
  options: { log: (line: string) => void; signal?: AbortSignal | undefined },
): Promise<void> {
  const file = join(data, 'postmaster.pid');
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0]);
  const leftover = pid > 0 ? identify(pid) : undefined;
  if (!leftover) return;
  if (!(await servesFrom(data, pid))) {
    await rm(file, { force: true });
    return;
  }
  const gone = await endLeftover(leftover, STOP_STEPS, {
    word: () => options.log(`A PostgreSQL server (pid ${pid}) left by an earlier run still uses ${data}: stopping it`),
    signal: options.signal,
  });
  if (!gone) {
    throw new PostgresStartError(
      `The PostgreSQL server with pid ${pid} uses ${data} and cannot be stopped. Stop it first.`,
    );
  }
}

async function servesFrom(data: string, pid: number): Promise<boolean> {
  if (process.platform === 'linux') {
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
    return folder === (await realpath(data));
  }
  const command = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return command.stdout.includes('postgres');
}
