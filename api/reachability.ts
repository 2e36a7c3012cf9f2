import type { DestinationKind } from '../model/destination.ts';
import type { Database } from '../store/database.ts';
import { health } from '../store/health.ts';
import { healthByKind } from '../store/upkeep.ts';
import type { ScanWorkflows } from './scan-workflows.ts';
import { within } from './within.ts';

/** Which version answers, null where none does. */
export interface Reachability {
  readonly postgresql: string | null;
  readonly temporal: string | null;
}

export type DestinationsHealth = Partial<Record<DestinationKind, 'healthy' | 'unhealthy'>>;

/** How long a dependency may take to answer before it counts as out of reach. */
const PATIENCE_MS = 1_500;

/** Asks PostgreSQL and Temporal whether they are there; answers within 2 seconds even when they hang. */
export function createReachabilityCheck(
  db: Database,
  workflows: Pick<ScanWorkflows, 'version'>,
): () => Promise<Reachability> {
  const database = shared(() => health(db).then(({ version }) => version));
  const temporal = shared(() => workflows.version());
  const orNull = (answer: Promise<string>): Promise<string | null> =>
    within(PATIENCE_MS, answer, () => new Error('no answer in time')).catch(() => null);
  return async () => {
    const [postgresql, server] = await Promise.all([orNull(database()), orNull(temporal())]);
    return { postgresql, temporal: server };
  };
}

/**
 * How destinations are, by kind, as it was last noted; a kind of which there is none, or none was asked, is absent. Answers
 * within 2 seconds: with nothing where the database does not tell.
 */
export function createDestinationCheck(db: Database): () => Promise<DestinationsHealth> {
  const ask = shared(() => healthByKind(db));
  return async () => {
    const kinds = await within(PATIENCE_MS, ask(), () => new Error('no answer in time')).catch(() => []);
    return Object.fromEntries(kinds.map(({ kind, healthy }) => [kind, healthy ? 'healthy' : 'unhealthy']));
  };
}

/** Callers that meet share one question, so that probes do not pile up behind a dependency that hangs. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let open: Promise<T> | undefined;
  return () => (open ??= ask().finally(() => (open = undefined)));
}
