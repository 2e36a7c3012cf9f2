import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Watches how much memory a process, or one after the other that take its place, has taken at most. */
export interface PeakMemory {
  /** Looks once more. */
  readonly sample: () => Promise<void>;
  /** Resident memory in MB (10^6 bytes), at its highest. */
  readonly megabytes: number;
}

/** @param pid answers the process that is watched now */
export function watchPeakMemory(pid: () => number): PeakMemory {
  let peak = 0;
  return {
    async sample() {
      peak = Math.max(peak, ((await residentKilobytes(pid())) * 1024) / 1e6);
    },
    get megabytes() {
      return Math.round(peak);
    },
  };
}

/** In units of 1,024 bytes. Linux tells the peak itself; elsewhere what is resident at this moment has to do. 0 for a process that is gone. */
async function residentKilobytes(pid: number): Promise<number> {
  try {
    if (process.platform === 'linux') {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    }
    const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]);
    return Number(stdout.trim()) || 0;
  } catch {
    return 0;
  }
}
