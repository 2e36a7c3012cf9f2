import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from '../rig.ts';

/** When a message was taken, by the receiver's clock, ms since 1970. */
export interface Acceptance {
  readonly messageId: string;
  readonly atMs: number;
}

export interface ReceiverOptions {
  /** `utility`: the reference utility. `batch`: notes which messages come. `sink`: notes that something came. */
  readonly kind: 'utility' | 'batch' | 'sink';
  /** 0: any free one. */
  readonly port: number;
  readonly token: string;
  readonly signingKey: string;
  /** What a utility's work takes. */
  readonly delayMs?: number;
}

/** A receiver in a process of its own. */
export interface Receiver {
  readonly url: string;
  /** How many messages it has taken; one that came twice counts twice. */
  length(): Promise<number>;
  /** All that it has taken, in this order. */
  accepted(): Promise<Acceptance[]>;
  close(): Promise<void>;
}

/** The secret that a receiver and whoever sends to it have. */
export const SECRET = {
  token: randomBytes(24).toString('base64url'),
  signingKey: `whsec_${randomBytes(32).toString('base64')}`,
};

export async function startReceiver(
  options: Pick<ReceiverOptions, 'kind' | 'delayMs'> & { port?: number },
): Promise<Receiver> {
  const settings: ReceiverOptions = { port: 0, ...SECRET, ...options };
  const path = fileURLToPath(new URL('./receiver-process.js', import.meta.url));
  const child = fork(path, [JSON.stringify(settings)], { serialization: 'advanced' });
  const gone = once(child, 'exit').then(() => Promise.reject(new Error('A receiver has ended')));
  gone.catch(() => undefined);
  const next = async <T>(): Promise<T> => {
    const [answer] = (await Promise.race([once(child, 'message'), gone])) as [T];
    return answer;
  };
  let last: Promise<unknown> = Promise.resolve();
  /** One question at a time. */
  const ask = <T>(question: string): Promise<T> => {
    const answer = last.then(() => {
      const answered = next<T>();
      child.send(question);
      return answered;
    });
    last = answer.catch(() => undefined);
    return answer;
  };
  const { url } = await next<{ url: string }>();
  return {
    url,
    length: () => ask<number>('length'),
    accepted: () => ask<Acceptance[]>('accepted'),
    async close() {
      child.disconnect();
      await gone.catch(() => undefined);
    },
  };
}

/** Waits until a receiver has taken so many messages. */
export const hasTaken = (receiver: Receiver, count: number): Promise<true> =>
  until(async () => ((await receiver.length()) >= count ? true : undefined), 50);
