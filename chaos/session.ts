import { pause } from '../embedded/pause.ts';
import type { ChaosApi } from './api.ts';
import type { SessionAct } from './plan.ts';
import { ORGANIZATION, type ScansOptions } from './scans.ts';

export type SessionOptions = Omit<ScansOptions, 'seed'>;

/** What chaos needs of a session's status. */
export interface SessionStatus {
  readonly session: {
    readonly session_id: string;
    readonly status: string;
    readonly stop_reason: string | null;
  } | null;
  readonly services: {
    readonly polling: { readonly last_sweep: { readonly at: string; readonly milliseconds: number | null } | null };
    readonly webhook: {
      readonly status: string;
      readonly reason: string | null;
      readonly subscriptions: { readonly active: number; readonly wanted: number; readonly refused: number };
    };
    readonly processing: { readonly status: string };
  };
  readonly loss: { readonly told: number; readonly missed: number };
  readonly workflow: { readonly status: string };
}

const ASKED = `organizationId=${ORGANIZATION}`;
/** Seconds between two sweeps. */
const SWEEPS = 20;
const LOOK_EVERY_MS = 250;
const REASON = 'chaos';
const OUR_REASONS = [REASON, 'cleared'];
const STUCK_AFTER_MS = 300_000;

/** Keeps a session with notifications over all folders, and does to it what people do to sessions. */
export class Session {
  /** How often one was started, and how often one ended though nobody had stopped it. */
  started = 0;
  endedByItself = 0;
  readonly #options: SessionOptions;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Starts the first one. */
  async begin(): Promise<void> {
    await this.connect();
    await this.#start();
  }

  /** Says how to sign in. */
  async connect(): Promise<void> {
    const { auth } = this.#options;
    const { status, body } = await this.#api.insist('POST', '/api/v1/connections', {
      organizationId: ORGANIZATION,
      auth,
    });
    if (status >= 400 && status !== 409) throw new Error(`No connection: ${status} ${JSON.stringify(body)}`);
  }

  suffer({ how }: SessionAct, forMs: number): Promise<void> {
    const done = this.#turn.then(async () => {
      await this.#stop();
      if (how === 'pause') await pause(forMs, this.#options.signal);
      await (how === 'stopDuringStart' ? Promise.all([this.#start(), this.#stop()]) : this.#start());
      if (!(await this.#isOpen())) await this.#start();
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async status(): Promise<SessionStatus> {
    const { status, body } = await this.#api.insist('GET', `/session/status?${ASKED}`);
    if (status !== 200) throw new Error(`No status: ${status} ${JSON.stringify(body)}`);
    return body as unknown as SessionStatus;
  }

  /**
   * Makes sure that one runs, once nothing stands in its way: one that has ended by itself is counted. One that could not
   * reach Graph when it was to start was none, and there is no trace of it.
   */
  async ensureRunning(): Promise<void> {
    await this.#turn;
    if (!(await this.#isOpen())) {
      const { session } = await this.status();
      this.#options.say(`No session runs; the last one: ${session?.status} ${session?.stop_reason}`);
      if (session && !OUR_REASONS.includes(session.stop_reason ?? '')) this.endedByItself++;
      await this.#start();
    }
    await this.#until(({ session }) => session?.status === 'running', 'does not run');
  }

  /** Waits until Graph notifies of every mailbox that it lets us subscribe to. */
  async subscribed(): Promise<void> {
    await this.#until(({ services: { webhook } }) => {
      const { active, wanted } = webhook.subscriptions;
      return active > 0 && wanted === 0;
    }, 'is not notified');
  }

  /** Waits for a sweep that has begun from now on, and until everything that it found is read. */
  async swept(): Promise<void> {
    const since = Date.now();
    await this.#until(({ services: { polling, processing } }) => {
      const { last_sweep: last } = polling;
      const begun = last ? Date.parse(last.at) - (last.milliseconds ?? 0) : 0;
      return begun > since && processing.status === 'idle';
    }, 'was not swept');
  }

  get #api(): ChaosApi {
    return this.#options.api;
  }

  async #isOpen(): Promise<boolean> {
    const { session } = await this.status();
    return session !== null && ['starting', 'running', 'stopping'].includes(session.status);
  }

  /** Until one is on its way; one that nobody runs is cleared away, as the API says. */
  async #start(): Promise<void> {
    const wanted = { polling_mode: 'scheduled', polling_interval: SWEEPS, filters: { folders: ['all'] } };
    for (;;) {
      const { status, body } = await this.#api.insist('POST', `/session/start?${ASKED}`, wanted);
      if (status === 200) {
        this.started++;
        return;
      }
      if (status === 409) {
        const { session, workflow } = await this.status();
        if (workflow.status === 'running' && session && session.status !== 'stopping') return;
        if (workflow.status === 'not_running') await this.#api.insist('POST', `/session/clear?${ASKED}`);
      } else if (status !== 422 && status !== 429) {
        throw new Error(`A session was refused: ${status} ${JSON.stringify(body)}`);
      }
      await pause(LOOK_EVERY_MS, this.#options.signal);
    }
  }

  async #stop(): Promise<void> {
    const { status, body } = await this.#api.insist('POST', `/session/stop?${ASKED}`, { reason: REASON });
    if (status !== 200) this.#options.say(`stop session: ${status} ${String(body['message'])}`);
  }

  async #until(ready: (status: SessionStatus) => boolean, otherwise: string): Promise<void> {
    for (const givenUpAt = Date.now() + STUCK_AFTER_MS; ;) {
      const status = await this.status();
      if (ready(status)) return;
      if (Date.now() > givenUpAt) throw new Error(`The session ${otherwise}: ${JSON.stringify(status)}`);
      await pause(LOOK_EVERY_MS, this.#options.signal);
    }
  }
}
