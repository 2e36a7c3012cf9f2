import { vi } from 'vitest';
import { openGraph, type Graph, type GraphOptions, type RequestReport } from '../../graph/graph.ts';
import { GraphError } from '../../graph/errors.ts';
import type { Connection } from '../../model/connection.ts';

export const CONNECTION: Connection = {
  tenantId: 'harbour.example',
  clientId: '7c7f1d0e-5a0b-4c7e-9a1b-0123456789ab',
  cloud: 'global',
  credential: { kind: 'secret', clientSecret: 'a-secret-of-the-test' },
};

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn';
  readonly facts: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export interface OpenedGraph extends AsyncDisposable {
  readonly graph: Graph;
  readonly lines: readonly LogLine[];
  readonly reports: readonly RequestReport[];
}

/** Opens Graph on a server of the test, with a log and reports to look into. */
export function open(url: string, options: Partial<GraphOptions> = {}, connection = CONNECTION): OpenedGraph {
  const lines: LogLine[] = [];
  const reports: RequestReport[] = [];
  const to = (level: LogLine['level']) => (facts: object, message: string) => {
    lines.push({ level, facts: facts as Record<string, unknown>, message });
  };
  const graph = openGraph(connection, {
    graphUrl: url,
    authorityUrl: url,
    log: { debug: to('debug'), info: to('info'), warn: to('warn') },
    onRequest: (report) => reports.push(report),
    ...options,
  });
  return { graph, lines, reports, [Symbol.asyncDispose]: () => graph.close() };
}

/** A signal that nobody aborts. */
export function unhurried(): AbortSignal {
  return new AbortController().signal;
}

/** The GraphError that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<GraphError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof GraphError)) throw new Error(`Expected a GraphError, got ${String(error)}`);
  return error;
}

/** Waits until a condition holds. */
export const until = (condition: () => boolean): Promise<true> =>
  vi.waitUntil(condition, { timeout: 10_000, interval: 5 });
