import { pause } from '../embedded/pause.ts';
import { isFinal, type ScanMode, type ScanStatus } from '../model/scan.ts';
import type { Answer, ChaosApi } from './api.ts';
import type { ScanAct } from './plan.ts';
import { randomFrom, type Random } from './random.ts';

/** The organization that chaos reads for. */
export const ORGANIZATION = 'chaos';

export interface ScansOptions {
  readonly api: ChaosApi;
  readonly auth: { readonly tenantId: string; readonly clientId: string; readonly clientSecret: string };
  readonly seed: number;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

const LOOK_EVERY_MS = 250;
const STUCK_AFTER_MS = 240_000;

/** Starts scans, one after another, and does to them what people do to scans. */
export class Scans {
  /** Scans that were started, by their ids, with how they ended. */
  readonly ended = new Map<string, ScanStatus | 'running'>();
  readonly #options: ScansOptions;
  readonly #random: Random;
  #wanted = true;
  #current = '';
  #running: Promise<void> | undefined;

  constructor(options: ScansOptions) {
    this.#options = options;
    this.#random = randomFrom(options.seed);
  }

  /** Keeps a scan running from now on. */
  begin(): void {
    this.#running = this.#keepScanning();
    this.#running.catch(() => undefined);
  }

  /** Starts no more, and waits until all have ended. @throws where one does not */
  async finish(): Promise<void> {
    this.#wanted = false;
    await this.#running;
    for (const scanId of this.ended.keys()) await this.untilEnded(scanId);
  }

  /** Does to the scan that runs what people do to scans. */
  suffer({ kind }: ScanAct, forMs: number): Promise<void> {
    if (kind === 'cancel') return this.#tell('cancel');
    return kind === 'pause' ? this.#pause(forMs) : this.#restart();
  }

  /** Cancels what runs and starts another beside it, at once. */
  async #restart(): Promise<void> {
    await this.#tell('cancel');
    await this.start(this.#random.of(['full', 'incremental']));
  }

  async #pause(forMs: number): Promise<void> {
    const scanId = this.#current;
    await this.#tell('pause', scanId);
    await pause(forMs, this.#options.signal);
    await this.#tell('resume', scanId);
  }

  /** Starts a scan of everything; returns its id. */
  async start(mode: ScanMode): Promise<string> {
    const scanId = `scan-${this.ended.size + 1}`;
    this.ended.set(scanId, 'running');
    this.#current = scanId;
    const { api, auth, signal } = this.#options;
    const config = { scanId, organizationId: ORGANIZATION, type: ['email'], mode, auth, filters: { folders: ['all'] } };
    for (;;) {
      const { status, body } = await api.insist('POST', '/api/v1/scan/start', { config });
      // 409: an earlier attempt, whose answer was lost, has started it; or its workflow still runs and will end by itself.
      if (status === 202 || (status === 409 && (await this.#isKnown(scanId)))) return scanId;
      if (![409, 422, 429].includes(status)) throw new Error(`A scan was refused: ${status} ${JSON.stringify(body)}`);
      await pause(LOOK_EVERY_MS, signal);
    }
  }

  /** Waits until a scan has ended. @throws where it stands still for minutes */
  async untilEnded(scanId: string): Promise<Answer['body']> {
    let before = '';
    for (let changedAt = Date.now(); ;) {
      const { status, body } = await this.#options.api.insist('GET', `/api/v1/scan/${scanId}/status`);
      const state = body['status'] as ScanStatus;
      if (status === 200 && isFinal(state)) {
        this.ended.set(scanId, state);
        return body;
      }
      // Forgotten: the credential could not be checked, and the answer that said so was lost.
      if (status === 404) {
        this.ended.set(scanId, 'failed');
        return body;
      }
      const now = JSON.stringify([state, body['recordsExtracted'], body['mailboxes']]);
      if (now !== before) [before, changedAt] = [now, Date.now()];
      if (Date.now() - changedAt > STUCK_AFTER_MS)
        throw new Error(`${scanId} stands still: ${status} ${JSON.stringify(body)}`);
      await pause(LOOK_EVERY_MS, this.#options.signal);
    }
  }

  async #isKnown(scanId: string): Promise<boolean> {
    return (await this.#options.api.insist('GET', `/api/v1/scan/${scanId}/status`)).status === 200;
  }

  async #keepScanning(): Promise<void> {
    while (this.#wanted) {
      const scanId = await this.start(this.#random.of(['full', 'full', 'incremental']));
      const { status, recordsExtracted } = await this.untilEnded(scanId);
      this.#options.say(`${scanId} has ended: ${String(status)}, ${String(recordsExtracted)} messages`);
    }
  }

  async #tell(what: 'cancel' | 'pause' | 'resume', scanId = this.#current): Promise<void> {
    const { status, body } = await this.#options.api.insist('POST', `/api/v1/scan/${scanId}/${what}`);
    if (status !== 202 && status !== 200) this.#options.say(`${what} ${scanId}: ${status} ${String(body['message'])}`);
  }
}
