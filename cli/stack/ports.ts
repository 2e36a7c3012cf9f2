import { PortTakenError } from '../../embedded/errors.ts';
import { freePort, isPortFree } from '../../embedded/ports.ts';

export interface PortWish {
  /** Who is to listen there, as in `the API`. */
  readonly service: string;
  /** Asked for by number: this one or none; 0 for any. */
  readonly wanted?: number | undefined;
  /** Taken where it is free and nothing else was asked for. */
  readonly preferred: number;
}

/**
 * The port that a wish leads to; undefined where any free one will do.
 * @throws {PortTakenError} when the port that was asked for is in use
 */
export async function wishedPort({ service, wanted, preferred }: PortWish): Promise<number | undefined> {
  if (wanted === 0) return undefined;
  if (wanted !== undefined && !(await isPortFree(wanted))) throw new PortTakenError(service, wanted);
  if (wanted !== undefined) return wanted;
  return (await isPortFree(preferred)) ? preferred : undefined;
}

/** The same for whoever must know the port beforehand. */
export const choosePort = async (wish: PortWish): Promise<number> => (await wishedPort(wish)) ?? freePort();
