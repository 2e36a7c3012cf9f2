import { type EmbeddedServiceError } from './errors.ts';
import type { GuardedProcess } from './guarded-process.ts';
import type { ServiceLog } from './log-file.ts';
import { pause } from './pause.ts';

const ASK_EVERY_MS = 25;
const WORD_EVERY_MS = 15_000;

export interface StartingService<T> {
  /** As in `PostgreSQL`. */
  name: string;
  server: GuardedProcess;
  serverLog: ServiceLog;
  /** Answers what the service is good for when it is ready, or why it is not. */
  ask: () => Promise<T | Error>;
  timeoutMs: number;
  /** The error to throw where it does not get ready. */
  failure: new (message: string, options?: ErrorOptions) => EmbeddedServiceError;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/** Waits until a service that was started is ready. Throws `failure` where it ends first or takes too long. */
export async function untilReady<T>(service: StartingService<T>): Promise<T> {
  const { name, server, serverLog, failure: Failure, timeoutMs, signal } = service;
  let ended = false;
  void server.exited.then(() => (ended = true));
  const begun = Date.now();
  let nextWord = begun + WORD_EVERY_MS;
  for (;;) {
    signal?.throwIfAborted();
    if (ended) throw new Failure(`${name} ended at its start (${serverLog.file}):\n${await serverLog.lastLines()}`);
    const answer = await service.ask();
    if (!(answer instanceof Error)) return answer;
    if (Date.now() > begun + timeoutMs) {
      const message = `${name} is not ready after ${timeoutMs / 1000} s: ${answer.message}`;
      throw new Failure(`${message} (${serverLog.file}):\n${await serverLog.lastLines()}`, { cause: answer });
    }
    if (Date.now() > nextWord) {
      nextWord += WORD_EVERY_MS;
      service.log(`${name} is not ready yet: ${answer.message}`);
    }
    await Promise.race([pause(ASK_EVERY_MS, signal), server.exited]);
  }
}
