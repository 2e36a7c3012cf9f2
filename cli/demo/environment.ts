import { ALIASES, VARIABLES } from '../../config/variables.ts';

/** What a demo takes over from the environment: how it works, never what it works on. */
const TAKEN_OVER = new Set([
  'LOG_LEVEL',
  'BATCH_SIZE',
  'MAX_WORKERS',
  'DB_POOL_SIZE',
  ...Object.keys(VARIABLES).filter((name) => name.startsWith('TEMPORAL_')),
]);

/**
 * The environment of a demo: an operator's database, tenant, keys and ports have no place in it, and what they would
 * change stays as it is. A Temporal server that is named is used, for a machine may have no other way to one.
 */
export function demoEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const ours = new Set([...Object.keys(VARIABLES), ...Object.keys(ALIASES)]);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.has(name) || TAKEN_OVER.has(name)));
}
