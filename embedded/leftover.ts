import { send } from './guarded-process.ts';
import { pause } from './pause.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

/** Signals to send one after the other, with the milliseconds to wait after each. */
export type StopSteps = readonly (readonly [signal: NodeJS.Signals, milliseconds: number])[];

/** Stops a service that an earlier run of ours left, which is not our child; false where it will not go. */
export async function endLeftover(
  leftover: ProcessIdentity,
  steps: StopSteps,
  options: { word: () => void; signal?: AbortSignal | undefined },
): Promise<boolean> {
  if (!isAlive(leftover)) return true;
  options.word();
  for (const [signal, milliseconds] of steps) {
    const deadline = Date.now() + milliseconds;
    send(leftover.pid, signal);
    while (Date.now() < deadline) {
      if (!isAlive(leftover)) return true;
      await pause(50, options.signal);
    }
  }
  return !isAlive(leftover);
}
