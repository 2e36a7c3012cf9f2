import { Client, Connection } from '@temporalio/client';
import type { Sealer } from '../model/sealing.ts';
import { connectionOptions, type TemporalSettings } from '../temporal/connection.ts';
import { createDataConverter } from '../temporal/data-converter.ts';

/** A failed call is tried again for about a second: a person waits for the answer. */
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
 * The API's client. gRPC retries by itself here, in place of the SDK: the SDK's retries (`grpc-retry.ts` of 1.24) wait
 * on through deadlines and cancellation, and throw out of a timer when the connection is closed meanwhile, which would
 * end the process.
 */
export async function createApiClient(settings: TemporalSettings, sealer: Sealer): Promise<Client> {
  const connection = Connection.lazy({
    ...(await connectionOptions(settings)),
    interceptors: [],
    channelArgs: { 'grpc.service_config': JSON.stringify(RETRIES) },
  });
  return new Client({ connection, namespace: settings.namespace, dataConverter: createDataConverter(sealer) });
}
