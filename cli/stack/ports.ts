import { PortTakenError } from '../../embedded/errors.ts';
import { freePort, isPortFree } from '../../embedded/ports.ts';

export interface PortWish {
  /** Who is to listen there, as in `the API`. */
  readonly service: string;
  /** Asked for by number: this one or none. */
  readonly wanted?: number | undefined;
  /** Taken where it is free and nothing else was asked for. */
  readonly preferred: number;
}

/** @throws {PortTakenError} when the port that was asked for is in use */
export async function choosePort({ service, wanted, preferred }: PortWish): Promise<number> {
  if (wanted === 0) return freePort();
  if (wanted !== undefined && !(await isPortFree(wanted))) throw new PortTakenError(service, wanted);
  if (wanted !== undefined) return wanted;
  return (await isPortFree(preferred)) ? preferred : freePort();
}
