import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { TemporalUnavailable, whenTemporalAnswers } from '../temporal/connection.ts';
import { organizationIdKey, scanIdKey } from '../workflows/search-attributes.ts';
import { StartError } from './errors.ts';
import { GRPC, grpcCodeOf } from './grpc-codes.ts';
import { within } from './within.ts';

/** Short, so that the word about the wait comes soon. */
const CALL_MS = 2_000;

/**
 * Waits until Temporal answers, has the namespace, and in it the search attributes that scans are started with.
 * @throws {StartError} when it answers and lacks one of them still as time is up
 * @throws {TemporalUnavailable} when it does not answer
 */
export async function whenTemporalIsReady(
  client: Client,
  { address, ...waiting }: { address: string; patienceMs: number; log: Logger; signal: AbortSignal | undefined },
): Promise<void> {
  const check = (): Promise<void> =>
    within(CALL_MS, checkAll(client, waiting.log), () => new Error('no answer in time'));
  try {
    await whenTemporalAnswers(address, check, { ...waiting, log: (line) => waiting.log.info(line) });
  } catch (error) {
    throw error instanceof TemporalUnavailable && error.cause instanceof StartError ? error.cause : error;
  }
}

const checkAll = (client: Client, log: Logger): Promise<void> =>
  client.withDeadline(Date.now() + CALL_MS, async () => {
    await checkNamespace(client);
    await checkSearchAttributes(client, log);
  });

async function checkNamespace({ workflowService, options: { namespace } }: Client): Promise<void> {
  try {
    await workflowService.describeNamespace({ namespace });
  } catch (error) {
    if (grpcCodeOf(error) !== GRPC.NOT_FOUND) throw error;
    throw new StartError(
      `Temporal has no namespace ${namespace}: set TEMPORAL_NAMESPACE to one it has, or run "temporal operator namespace create --namespace ${namespace}"`,
      { cause: error },
    );
  }
}

async function checkSearchAttributes({ connection, options: { namespace } }: Client, log: Logger): Promise<void> {
  const wanted = [organizationIdKey.name, scanIdKey.name];
  let known: object;
  try {
    ({ customAttributes: known } = await connection.operatorService.listSearchAttributes({ namespace }));
  } catch (error) {
    const code = grpcCodeOf(error);
    if (code === undefined || code === GRPC.UNAVAILABLE) throw error;
    log.warn({ code }, `Temporal does not tell its search attributes; it needs ${wanted.join(' and ')} (Keyword)`);
    return;
  }
  const missing = wanted.filter((name) => !(name in known));
  if (missing.length === 0) return;
  const options = missing.map((name) => `--name ${name} --type Keyword`).join(' ');
  throw new StartError(
    `Temporal lacks the search attributes ${missing.join(' and ')}: run "temporal operator search-attribute create --namespace ${namespace} ${options}"`,
  );
}
