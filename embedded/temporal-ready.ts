import { Connection } from '@temporalio/client';
import { TemporalStartError } from './errors.ts';
import type { GuardedProcess } from './guarded-process.ts';
import type { ServiceLog } from './log-file.ts';
import { pause } from './pause.ts';
import { isPortFree } from './ports.ts';

/** Types of search attributes, with their numbers in `temporal.api.enums.v1.IndexedValueType`. */
const INDEXED_VALUE_TYPE = { Text: 1, Keyword: 2, Int: 3, Double: 4, Bool: 5, Datetime: 6, KeywordList: 7 } as const;

export type SearchAttributeType = keyof typeof INDEXED_VALUE_TYPE;

const START_TIMEOUT_MS = 90_000;
const WORD_EVERY_MS = 15_000;

/** Waits until the frontend serves the namespace; throws where the server ends first or takes too long. */
export async function untilServing(options: {
  server: GuardedProcess;
  serverLog: ServiceLog;
  port: number;
  namespace: string;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}): Promise<Connection> {
  const { server, serverLog, port, signal } = options;
  let ended = false;
  void server.exited.then(() => (ended = true));
  const begun = Date.now();
  let nextWord = begun + WORD_EVERY_MS;
  for (;;) {
    signal?.throwIfAborted();
    if (ended) {
      throw new TemporalStartError(
        `The Temporal server ended at its start (${serverLog.file}):\n${await serverLog.lastLines()}`,
      );
    }
    const answer = (await isPortFree(port)) ? new Error('it does not listen yet') : await describeOnce(options);
    if (!(answer instanceof Error)) return answer;
    if (Date.now() > begun + START_TIMEOUT_MS) {
      throw new TemporalStartError(
        `The Temporal server did not answer within ${START_TIMEOUT_MS / 1000} s: ${answer.message}\n${await serverLog.lastLines()}`,
        { cause: answer },
      );
    }
    if (Date.now() > nextWord) {
      nextWord += WORD_EVERY_MS;
      options.log(`The Temporal server is not ready yet (${answer.message})`);
    }
    await Promise.race([pause(25, signal), server.exited]);
  }
}

/** Makes the search attributes that the namespace lacks: the server's own flag acts on a new file only. */
export async function ensureSearchAttributes(
  connection: Connection,
  namespace: string,
  wanted: Readonly<Record<string, SearchAttributeType>>,
): Promise<void> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.entries(wanted).filter(([name]) => !(name in customAttributes));
  if (missing.length === 0) return;
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, INDEXED_VALUE_TYPE[type]])),
  });
}

async function describeOnce(options: { port: number; namespace: string }): Promise<Connection | Error> {
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address: `127.0.0.1:${options.port}`, connectTimeout: '5s' });
    const { workflowService } = connection;
    await connection.withDeadline(Date.now() + 5_000, () =>
      workflowService.describeNamespace({ namespace: options.namespace }),
    );
    return connection;
  } catch (error) {
    await connection?.close();
    return error as Error;
  }
}
