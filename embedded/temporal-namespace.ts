import { Connection } from '@temporalio/client';
import { whyUnreachable } from './ports.ts';

/** Types of search attributes, with their numbers in `temporal.api.enums.v1.IndexedValueType`. */
const INDEXED_VALUE_TYPE = { Text: 1, Keyword: 2, Int: 3, Double: 4, Bool: 5, Datetime: 6, KeywordList: 7 } as const;

export type SearchAttributeType = keyof typeof INDEXED_VALUE_TYPE;

const DEADLINE_MS = 5_000;

/** A connection to the server when it serves the namespace, or why it does not. */
export async function askTemporal(port: number, namespace: string): Promise<Connection | Error> {
  // A refused connection is known at once; gRPC would try again by itself until its deadline.
  const why = await whyUnreachable('127.0.0.1', port, DEADLINE_MS);
  if (why !== undefined) return new Error(why);
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address: `127.0.0.1:${port}`, connectTimeout: DEADLINE_MS });
    const { workflowService } = connection;
    await connection.withDeadline(Date.now() + DEADLINE_MS, () => workflowService.describeNamespace({ namespace }));
    return connection;
  } catch (error) {
    await connection?.close();
    return error as Error;
  }
}

/** Makes the search attributes that the namespace lacks: the server's own flag acts on a new file only. */
export async function ensureSearchAttributes(
  { operatorService }: Connection,
  namespace: string,
  wanted: Readonly<Record<string, SearchAttributeType>>,
): Promise<void> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = Object.entries(wanted).filter(([name]) => !(name in customAttributes));
  if (missing.length === 0) return;
  await operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, INDEXED_VALUE_TYPE[type]])),
  });
}
