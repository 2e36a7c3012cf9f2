import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import type { Sealer } from '../model/sealing.ts';
import { createDataConverter } from './data-converter.ts';

/** Where Temporal is and how to prove who we are. */
export interface TemporalSettings {
  /** `host:port`. */
  readonly address: string;
  readonly namespace: string;
  readonly apiKey?: string | undefined;
  /** Default: on where an API key or a certificate is given. */
  readonly tls?: boolean | undefined;
  readonly clientCertPath?: string | undefined;
  readonly clientKeyPath?: string | undefined;
  readonly serverCaCertPath?: string | undefined;
  readonly serverName?: string | undefined;
}

/** Temporal did not answer in the time given. */
export class TemporalUnavailable extends Error {
  override readonly name = 'TemporalUnavailable';
  constructor(address: string, cause: unknown) {
    super(`Temporal does not answer at ${address}. Is the server running, and is TEMPORAL_ADDRESS right?`, { cause });
  }
}

/** Options that a client's and a worker's connection have in common. Reads the certificate files. */
export async function connectionOptions(
  settings: TemporalSettings,
): Promise<Pick<ConnectionOptions, 'address' | 'tls' | 'apiKey'>> {
  const { address, apiKey, clientCertPath, clientKeyPath, serverCaCertPath, serverName } = settings;
  const wantsTls = settings.tls ?? Boolean(apiKey ?? clientCertPath ?? serverCaCertPath);
  const tls = wantsTls && {
    ...(serverName && { serverNameOverride: serverName }),
    ...(serverCaCertPath && { serverRootCACertificate: await readFile(serverCaCertPath) }),
    ...(clientCertPath &&
      clientKeyPath && { clientCertPair: { crt: await readFile(clientCertPath), key: await readFile(clientKeyPath) } }),
  };
  return { address, ...(tls && { tls }), ...(apiKey && { apiKey }) };
}

/**
 * Calls `connect` until it succeeds, for at most `patienceMs`, telling `log` once that it waits.
 * @throws {TemporalUnavailable} when time is up.
 */
export async function whenTemporalAnswers<T>(
  address: string,
  connect: () => Promise<T>,
  { patienceMs, log, signal }: { patienceMs: number; log: (line: string) => void; signal?: AbortSignal | undefined },
): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await connect();
    } catch (error) {
      if (Date.now() >= deadline) throw new TemporalUnavailable(address, error);
      if (attempt === 1) log(`Waiting for Temporal at ${address} …`);
      await delay(500, undefined, { signal });
    }
  }
}

/** A client over a lazily made connection: it is made before Temporal is up, and calls fail while Temporal is away. */
export async function createTemporalClient(settings: TemporalSettings, sealer: Sealer): Promise<Client> {
  const connection = Connection.lazy({ ...(await connectionOptions(settings)), connectTimeout: '5 seconds' });
  return new Client({ connection, namespace: settings.namespace, dataConverter: createDataConverter(sealer) });
}
