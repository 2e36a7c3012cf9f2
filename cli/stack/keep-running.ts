import { pause } from '../../embedded/pause.ts';
import { explain } from '../errors.ts';
import { exitInWords, lastWords, type Service } from './service.ts';

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;
/** A service that ran for so long is not taken to crash again and again. */
const HEALTHY_MS = 60_000;

export interface KeepRunningOptions<S extends Service> {
  /** As in `The worker`. */
  readonly name: string;
  /** Starts the service; aborted when it is to be stopped meanwhile. */
  readonly start: (signal: AbortSignal) => Promise<S>;
  /** Aborts the first start. */
  readonly signal: AbortSignal;
  /** Says to the person what happened. */
  readonly say: (line: string) => void;
  /** Before the first restart, ms; doubled for each that follows. Default: 1,000, at most 30,000. */
  readonly firstDelayMs?: number;
}

export interface KeptService<S extends Service> {
  /** The one that runs, or ran last. */
  readonly current: S;
  /** Ends it for good. Idempotent. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts a service and starts it again whenever it ends without being told to, with growing pauses and a word each time.
 * The first start may fail, by what `start` throws; later ones are tried again.
 */
export async function keepRunning<S extends Service>(options: KeepRunningOptions<S>): Promise<KeptService<S>> {
  const { name, start, say, firstDelayMs = FIRST_DELAY_MS } = options;
  const stopping = new AbortController();
  let current = await start(options.signal);
  const done = watch();
  return {
    get current() {
      return current;
    },
    async stop() {
      stopping.abort(new Error(`${name} is being stopped`));
      await current.stop();
      await done;
    },
  };

  async function watch(): Promise<void> {
    let delay = firstDelayMs;
    for (let startedAt = Date.now(); ; startedAt = Date.now()) {
      const exit = await current.exited;
      if (stopping.signal.aborted) return;
      if (Date.now() - startedAt >= HEALTHY_MS) delay = firstDelayMs;
      say(`${name} ended unexpectedly (${exitInWords(exit)}); it is started again in ${inSeconds(delay)}.`);
      const words = lastWords((await current.lastLines?.().catch(() => '')) ?? '');
      if (words !== '') say(`  it said last: ${words}`);
      if (!(await restart())) return;
    }

    /** False where it is not wanted any more. */
    async function restart(): Promise<boolean> {
      for (;;) {
        try {
          await pause(delay, stopping.signal);
          delay = Math.min(LONGEST_DELAY_MS, delay * 2);
          current = await start(stopping.signal);
          say(`${name} runs again.`);
          return true;
        } catch (error) {
          if (stopping.signal.aborted) return false;
          say(`${name} could not be started: ${explain(error).message} It is tried again in ${inSeconds(delay)}.`);
        }
      }
    }
  }
}

const inSeconds = (ms: number): string => `${Math.ceil(ms / 1000)} s`;
