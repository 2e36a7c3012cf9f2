import { rootCertificates } from 'node:tls';
import { createClient, ErrorReply } from '@redis/client';
import { literalAddress } from '../model/addresses.ts';
import { checkHost, guardedLookup } from './address-guard.ts';
import { DestinationUnavailable } from './sender.ts';

/** A Redis, version 6 or newer. */
export interface RedisSettings {
  /** `redis://host:port/db`, or `rediss:` for TLS. Credentials may stand in it, or below. */
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Certificate authorities beside the usual ones, as PEM. */
  readonly ca?: string | undefined;
  /** Whether it may be at a private or loopback address. */
  readonly allowPrivate: boolean;
  /** For connecting, and for each answer. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

type Client = ReturnType<typeof clientFor>;

interface Link {
  readonly client: Client;
  readonly ready: Promise<unknown>;
}

const TIMEOUT_MS = 10_000;

/**
 * One connection to Redis, made when it is needed. What goes wrong ends it, and the next question makes another: nothing
 * waits in a queue to be sent at a time when nobody knows of it any more.
 */
export class RedisConnection {
  readonly #settings: RedisSettings;
  #link: Link | undefined;

  constructor(settings: RedisSettings) {
    this.#settings = settings;
  }

  /**
   * Asks Redis something.
   * @param moreMs beside the usual time-out, for what is large
   * @throws {DestinationUnavailable} Redis gave no answer, or one that says why it does nothing at present. In the first
   *   case it may have done it all the same
   */
  async ask<T>(question: (client: Client) => Promise<T>, signal: AbortSignal, moreMs = 0): Promise<T> {
    signal.throwIfAborted();
    checkHost(new URL(this.#settings.url).hostname, this.#settings);
    const limitMs = (this.#settings.timeoutMs ?? TIMEOUT_MS) + moreMs;
    let clear = (): void => undefined;
    const ended = new Promise<never>((_, reject) => {
      const abort = (): void => reject(signal.reason as Error);
      const timer = setTimeout(() => reject(new Error(`no answer within ${limitMs / 1000} s`)), limitMs);
      signal.addEventListener('abort', abort, { once: true });
      clear = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
      };
    });
    const link = (this.#link ??= this.#connect());
    try {
      return await Promise.race([link.ready.then(() => question(link.client)), ended]);
    } catch (error) {
      if (!(error instanceof ErrorReply)) this.#drop(link);
      signal.throwIfAborted();
      throw unavailability(error);
    } finally {
      clear();
    }
  }

  close(): void {
    if (this.#link !== undefined) this.#drop(this.#link);
  }

  #connect(): Link {
    const client = clientFor(this.#settings);
    const link = { client, ready: client.connect() };
    client.on('error', () => this.#drop(link));
    link.ready.catch(() => this.#drop(link));
    return link;
  }

  #drop(link: Link): void {
    if (this.#link === link) this.#link = undefined;
    if (link.client.isOpen) link.client.destroy();
  }
}

function clientFor(settings: RedisSettings) {
  const { url, username, password, ca, timeoutMs = TIMEOUT_MS } = settings;
  const { hostname } = new URL(url);
  const trusted = ca === undefined ? {} : { ca: [...rootCertificates, ca] };
  const named = literalAddress(hostname) === undefined ? { servername: hostname } : {};
  return createClient({
    url,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    name: 'outhaul',
    disableOfflineQueue: true,
    socket: {
      connectTimeout: timeoutMs,
      reconnectStrategy: false,
      lookup: guardedLookup(settings),
      ...(url.startsWith('rediss:') ? { tls: true, ...trusted, ...named } : {}),
    },
  });
}

/** What Redis says first in an error that an operator has to mend. */
const MISCONFIGURED = /^(NOAUTH|WRONGPASS|NOPERM|WRONGTYPE|NOPROTO|ERR AUTH|ERR invalid DB|ERR DB index|ERR SELECT)/i;

function unavailability(error: unknown): DestinationUnavailable {
  if (error instanceof DestinationUnavailable) return error;
  const cause = error as NodeJS.ErrnoException;
  if (!(cause instanceof ErrorReply)) {
    return new DestinationUnavailable('away', `Redis is out of reach: ${cause.code ?? cause.message}`, { cause });
  }
  const words = reasonIn(cause.message);
  if (words.startsWith('OOM')) return new DestinationUnavailable('full', `Redis is out of memory: ${words}`, { cause });
  const reason = MISCONFIGURED.test(words) ? 'misconfigured' : 'away';
  return new DestinationUnavailable(reason, `Redis refuses: ${words}`, { cause });
}

/** The beginning of what Redis says, before anything that it quotes. */
const reasonIn = (message: string): string => (/^[\w -]*/.exec(message)?.[0] ?? '').slice(0, 80).trim();
