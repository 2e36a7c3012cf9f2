import { readFile } from 'node:fs/promises';
import { Client, Connection, type TLSConfig } from '@temporalio/client';
import { patiently, type Patience } from '../model/patience.ts';
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
): Promise<{ address: string; tls?: TLSConfig; apiKey?: string }> {
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
 * Connects to Temporal, patiently.
 * @throws {TemporalUnavailable} when patience is used up.
 */
export function whenTemporalAnswers<T>(address: string, connect: () => Promise<T>, patience: Patience): Promise<T> {
  const giveUp = (error: unknown): Error => new TemporalUnavailable(address, error);
  return patiently(`Temporal at ${address}`, connect, patience, { giveUp });
}

/** A failed call is tried again for about a second: a person may wait for the answer. */
const RETRIES = {
  methodConfig: [
    {
      name: [{}],
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: '0.1s',
        maxBackoff: '0.5s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'ABORTED'],
      },
    },
  ],
};

/**
 * A client over a lazily made connection: it is made before Temporal is up, and calls fail while Temporal is away. gRPC
 * retries by itself here, in place of the SDK: the SDK's retries (`grpc-retry.ts` of 1.24) wait on through deadlines and
 * cancellation, and throw out of a timer when the connection is closed meanwhile, which would end the process.
 */
export async function createTemporalClient(settings: TemporalSettings, sealer: Sealer): Promise<Client> {
  const connection = Connection.lazy({
    ...(await connectionOptions(settings)),
    interceptors: [],
    channelArgs: { 'grpc.service_config': JSON.stringify(RETRIES) },
  });
  return new Client({ connection, namespace: settings.namespace, dataConverter: createDataConverter(sealer) });
}
