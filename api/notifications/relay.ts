import { setTimeout as delay } from 'node:timers/promises';
import type { HintedMailbox } from '../../store/hints.ts';
import type { SparingLog } from './sparingly.ts';

export interface RelayOptions {
  /** Mailboxes whose hints have waited too long, marked as asked again. */
  readonly claim: (limit: number) => Promise<HintedMailbox[]>;
  /** Takes the mark back. */
  readonly unclaim: (mailboxes: readonly HintedMailbox[]) => Promise<void>;
  /** Wakes readers; returns the mailboxes whose readers could not be asked. */
  readonly wake: (mailboxes: readonly HintedMailbox[]) => Promise<readonly HintedMailbox[]>;
  readonly onWoken: (readers: number) => void;
  readonly log: SparingLog;
  /** Between two looks. Default: 1,000 ms; longer where a look takes long. */
  readonly everyMs?: number;
}

const STRETCH = 200;
/** The part of its time that the relay spends looking, at most: one in so many. */
const SHARE = 10;

/**
 * Wakes the readers of mailboxes whose hints nobody takes: their signal was lost with the process that should have sent
 * it, or Temporal was away.
 * @returns what ends it
 */
export function startRelay(options: RelayOptions): () => Promise<void> {
  const ending = new AbortController();
  const ended = relay(options, ending.signal);
  return async () => {
    ending.abort();
    await ended;
  };
}

async function relay(options: RelayOptions, signal: AbortSignal): Promise<void> {
  const { everyMs = 1_000, log } = options;
  const pause = (ms: number): Promise<unknown> => delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
  await pause(everyMs);
  while (!signal.aborted) {
    const begun = performance.now();
    const goesOn = await look(options).catch((err: unknown) => {
      log({ err }, 'Hints that wait could not be looked for');
      return false;
    });
    if (!goesOn) await pause(Math.max(everyMs, (performance.now() - begun) * SHARE));
  }
}

/** Whether there may be more to do at once. */
async function look({ claim, unclaim, wake, onWoken }: RelayOptions): Promise<boolean> {
  const mailboxes = await claim(STRETCH);
  if (mailboxes.length === 0) return false;
  const failed = await wake(mailboxes);
  onWoken(mailboxes.length - failed.length);
  if (failed.length > 0) await unclaim(failed);
  return failed.length === 0 && mailboxes.length === STRETCH;
}
