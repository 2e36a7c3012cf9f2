import type { Sender } from '../destinations/sender.ts';
import type { DestinationSecret, KindSettings } from '../model/destination.ts';
import type { Destination } from '../store/destinations.ts';

/** How long a sender that nobody uses is kept, with its connections. */
const IDLE_MS = 60_000;

export type OpenSender = (destination: KindSettings, secret: DestinationSecret) => Sender;

/** Loads the clients of destinations when the first is needed: a worker that has none does not hold them. */
export const lazyOpener = async (): Promise<OpenSender> => (await import('../destinations/open-sender.ts')).openSender;

interface Entry {
  readonly destinationId: string;
  /** Whatever changes it has another one. */
  readonly version: string;
  readonly sender: Sender;
  users: number;
  closing?: NodeJS.Timeout;
}

/** The senders of a worker, one for each destination as it is now: connections outlive the drain that made them. */
export class Senders {
  readonly #opener: () => Promise<OpenSender>;
  readonly #entries = new Map<string, Entry>();

  constructor(opener: () => Promise<OpenSender> = lazyOpener) {
    this.#opener = opener;
  }

  /**
   * Runs `work` with the sender to a destination.
   * @throws {DestinationUnavailable} `misconfigured`: it cannot be opened
   */
  async use<T>(
    { destination, secret }: { readonly destination: Destination; readonly secret: DestinationSecret },
    work: (sender: Sender) => Promise<T>,
  ): Promise<T> {
    const open = await this.#opener();
    const entry = this.#entryOf(destination, () => open(destination, secret));
    entry.users++;
    clearTimeout(entry.closing);
    try {
      return await work(entry.sender);
    } finally {
      entry.users--;
      this.#rest(entry);
    }
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const { closing } of entries) clearTimeout(closing);
    await Promise.all(entries.map(({ sender }) => sender.close()));
  }

  #entryOf({ id, changedAt }: Destination, open: () => Sender): Entry {
    const known = this.#entries.get(id);
    if (known?.version === changedAt) return known;
    const entry: Entry = { destinationId: id, version: changedAt, sender: open(), users: 0 };
    this.#entries.set(id, entry);
    if (known) this.#rest(known);
    return entry;
  }

  /** Closes a sender that nobody uses: one that was replaced at once, any other after a while. */
  #rest(entry: Entry): void {
    if (entry.users > 0) return;
    clearTimeout(entry.closing);
    const isCurrent = this.#entries.get(entry.destinationId) === entry;
    const close = (): void => {
      if (this.#entries.get(entry.destinationId) === entry) this.#entries.delete(entry.destinationId);
      void entry.sender.close().catch(() => undefined);
    };
    if (isCurrent) entry.closing = setTimeout(close, IDLE_MS).unref();
    else close();
  }
}
