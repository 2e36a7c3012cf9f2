import { readFile } from 'node:fs/promises';

/** What a process has used since it started. */
export interface Usage {
  /** Highest resident set, MB (10^6 bytes). */
  readonly peakRssMb: number;
  readonly cpuSeconds: number;
}

/** Clock ticks a second in /proc, fixed by Linux for user space. */
const TICKS = 100;

/**
 * Usage of a running process, as Linux accounts it.
 * @throws where there is no /proc
 */
export async function usageOf(pid: number): Promise<Usage> {
  const [status, stat] = await Promise.all([
    readFile(`/proc/${pid}/status`, 'utf8'),
    readFile(`/proc/${pid}/stat`, 'utf8'),
  ]);
  const peakKb = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user = 0, system = 0] = fields.slice(11, 13).map(Number);
  return { peakRssMb: Math.round((peakKb * 1024) / 1e6), cpuSeconds: (user + system) / TICKS };
}
