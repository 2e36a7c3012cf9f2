import type { DestinationEntry } from './delivery-client.ts';
import type { ApiClient } from './api-client.ts';
import { CommandError, UsageError } from './errors.ts';

/**
 * The destination of that name or id.
 * @throws {CommandError} when there is none; UsageError when several organizations have one of that name
 */
export async function findDestination(api: ApiClient, nameOrId: string): Promise<DestinationEntry> {
  const destinations = await api.destinations();
  const found = destinations.filter(({ id, name }) => name === nameOrId || id === nameOrId.toLowerCase());
  const [one, ...others] = found;
  if (!one) {
    throw new CommandError(`There is no destination ${nameOrId}`, {
      advice: '`outhaul destinations list` shows those there are.',
    });
  }
  if (others.length > 0) {
    throw new UsageError(
      `Several organizations have a destination ${nameOrId}`,
      'Name one: --organization ID, or its id.',
    );
  }
  return one;
}
