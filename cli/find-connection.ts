import type { ApiClient, ConnectionEntry } from './api-client.ts';
import { CommandError, UsageError } from './errors.ts';

/**
 * The connection of that id, or, without one, the only connection that the key sees.
 * @throws {CommandError} when there is none; UsageError when there are several
 */
export async function findConnection(api: ApiClient, id: string | undefined): Promise<ConnectionEntry> {
  const connections = await api.connections();
  const found = id === undefined ? connections : connections.filter((connection) => connection.id === id.toLowerCase());
  const [one, ...others] = found;
  if (!one) {
    throw id === undefined
      ? new CommandError('There is no connection', { advice: 'Make one: outhaul connections add --help' })
      : new CommandError(`There is no connection ${id}`, {
          advice: '`outhaul connections list` shows those there are.',
        });
  }
  if (others.length > 0) {
    throw new UsageError('There are several connections', 'Name one: --organization ID, or its id.');
  }
  return one;
}
