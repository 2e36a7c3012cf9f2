import pLimit from 'p-limit';
import type { HintedMailbox } from '../../store/hints.ts';
import type { NotificationWorkflows } from './asking.ts';
import type { MutableFigures } from './figures.ts';
import type { SparingLog } from './sparingly.ts';

export interface WakingOptions {
  readonly workflows: NotificationWorkflows;
  readonly figures: MutableFigures;
  readonly log: SparingLog;
  /** Readers asked at a time. Default: 16. */
  readonly atOnce?: number;
  /** Readers that wait to be asked at most. Default: 5,000. */
  readonly mostWaiting?: number;
}

/** Wakes the readers of mailboxes that have hints. */
export class Waking {
  readonly #options: WakingOptions;
  readonly #mostWaiting: number;
  readonly #limit: ReturnType<typeof pLimit>;
  readonly #waiting = new Set<string>();

  constructor(options: WakingOptions) {
    this.#options = options;
    this.#mostWaiting = options.mostWaiting ?? 5_000;
    this.#limit = pLimit(options.atOnce ?? 16);
  }

  /** Wakes the reader soon. Where that fails, or too many wait, it is left to the relay: the hint stands in the store. */
  soon(mailbox: HintedMailbox): void {
    const key = `${mailbox.organizationId}/${mailbox.mailboxId}`;
    if (this.#waiting.has(key) || this.#waiting.size >= this.#mostWaiting) return;
    this.#waiting.add(key);
    void this.#limit(async () => {
      this.#waiting.delete(key);
      if (await this.#wake(mailbox)) this.#options.figures.woken++;
      else this.#giveUp();
    });
  }

  /** Wakes the readers now; returns the mailboxes whose readers could not be asked. After a failure no more are tried. */
  async all(mailboxes: readonly HintedMailbox[]): Promise<HintedMailbox[]> {
    const limit = pLimit(this.#options.atOnce ?? 16);
    let away = false;
    const woken = await limit.map(mailboxes, async (mailbox) => {
      const done = !away && (await this.#wake(mailbox));
      away ||= !done;
      return done;
    });
    return mailboxes.filter((_, index) => !woken[index]);
  }

  /** Those that still wait would fail in the same way, one deadline after the other. */
  #giveUp(): void {
    this.#limit.clearQueue();
    this.#waiting.clear();
  }

  async #wake({ organizationId, mailboxId }: HintedMailbox): Promise<boolean> {
    const { workflows, figures, log } = this.#options;
    try {
      await workflows.wakeReader(organizationId, mailboxId, 'live');
      return true;
    } catch (err) {
      figures.wakesFailed++;
      log({ err, organizationId }, 'The reader of a mailbox could not be asked; its hints wait');
      return false;
    }
  }
}
