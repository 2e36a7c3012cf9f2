import type { Service } from '../cli/stack/service.ts';
import { exitInWords, lastWords } from '../cli/stack/service.ts';
import { pause } from '../embedded/pause.ts';
import { signalTree } from './process-tree.ts';

const AGAIN_MS = 500;

export interface SubjectOptions {
  /** As in `worker 1`. */
  readonly name: string;
  /** Starts the process, and resolves when it is ready. */
  readonly start: () => Promise<Service>;
  readonly say: (line: string) => void;
}

/** A process that is killed, frozen and started again, by us; where it ends by itself it is started again, too. */
export class Subject {
  readonly name: string;
  /** How often it ended though nobody had killed it. */
  endedByItself = 0;
  readonly #options: SubjectOptions;
  #service: Service | undefined;
  #isStopping = false;
  #killed = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: SubjectOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#service?.pid;
  }

  /** Starts it for the first time. */
  async start(): Promise<void> {
    const service = await this.#options.start();
    this.#service = service;
    this.#killed = false;
    void service.exited.then(async (exit) => {
      if (this.#killed || this.#isStopping || this.#service !== service) return;
      this.endedByItself++;
      const words = lastWords((await service.lastLines?.().catch(() => '')) ?? '');
      this.#options.say(`${this.name} ended by itself (${exitInWords(exit)}): ${words}`);
      await this.#inTurn(() => this.#startAgain());
    });
  }

  /** Kills it with everything that belongs to it, and starts it again after a while; resolves when it is ready again. */
  killed(forMs: number, pause: (ms: number) => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      this.#killed = true;
      const { pid, exited } = this.#running();
      signalTree(pid, 'SIGKILL');
      await exited;
      await pause(forMs);
      await this.#startAgain();
    });
  }

  /** Stops it in its tracks with everything that belongs to it, and lets it go on after a while. */
  frozen(forMs: number, pause: (ms: number) => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      const { pid } = this.#running();
      signalTree(pid, 'SIGSTOP');
      try {
        await pause(forMs);
      } finally {
        signalTree(pid, 'SIGCONT');
      }
    });
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#inTurn(async () => this.#service?.stop());
  }

  /** Ends it at once, without order. */
  end(): void {
    this.#isStopping = true;
    if (this.#service) signalTree(this.#service.pid, 'SIGKILL');
  }

  #running(): Service {
    if (!this.#service) throw new Error(`${this.name} was never started`);
    return this.#service;
  }

  /** Starts it, again and again where what it needs is away. */
  async #startAgain(): Promise<void> {
    while (!this.#isStopping) {
      try {
        return await this.start();
      } catch (error) {
        if (this.#isStopping) return;
        this.#options.say(`${this.name} did not start, and is started again: ${(error as Error).message}`);
        await pause(AGAIN_MS);
      }
    }
  }

  /** One thing happens to it at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}
