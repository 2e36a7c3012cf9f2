import { readFile, writeFile } from 'node:fs/promises';

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

/** Resident set of a running process now, and at most since its start or the last `resetPeak`, MB (10^6 bytes). */
export async function memoryOf(pid: number): Promise<{ readonly rssMb: number; readonly peakRssMb: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const megabytes = (name: string): number =>
    Math.round((Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024) / 1e6);
  return { rssMb: megabytes('VmRSS'), peakRssMb: megabytes('VmHWM') };
}

/** Lets the highest resident set of a process begin anew, at what it is now. */
export const resetPeak = (pid: number): Promise<void> => writeFile(`/proc/${pid}/clear_refs`, '5');
