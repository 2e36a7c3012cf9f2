import { health } from '../store/health.ts';
import type { Database } from '../store/database.ts';
import type { ScanWorkflows } from './scan-workflows.ts';
import { within } from './within.ts';

/** Which version answers, null where none does. */
export interface Reachability {
  readonly postgresql: string | null;
  readonly temporal: string | null;
}

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

/** Callers that meet share one question, so that probes do not pile up behind a dependency that hangs. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let open: Promise<T> | undefined;
  return () => (open ??= ask().finally(() => (open = undefined)));
}
