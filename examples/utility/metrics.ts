import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** `success`, `error`: worked on. `refused`: not let in, or not understood. */
export type RequestOutcome = 'success' | 'error' | 'refused';

/** What is counted, as Prometheus has it and in short for `/health`. */
export class Metrics {
  readonly register = new Registry();
  readonly #requests = new Counter({
    name: 'utility_requests_total',
    help: 'Requests to /process that were answered',
    labelNames: ['outcome'] as const,
    registers: [this.register],
  });
  readonly #seconds = new Histogram({
    name: 'utility_request_seconds',
    help: 'From the beginning of a request to /process to its answer',
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 5, 30],
    registers: [this.register],
  });
  readonly #underWay = new Gauge({
    name: 'utility_requests_under_way',
    help: 'Requests to /process that have no answer yet',
    registers: [this.register],
  });
  readonly #counts = { success: 0, error: 0, refused: 0 };
  #totalMs = 0;

  begin(): void {
    this.#underWay.inc();
  }

  end(outcome: RequestOutcome, ms: number): void {
    this.#underWay.dec();
    this.#requests.inc({ outcome });
    this.#seconds.observe(ms / 1000);
    this.#counts[outcome]++;
    this.#totalMs += ms;
  }

  /** In the names of the utilities' document. */
  summary(): Record<string, number> {
    const { success, error, refused } = this.#counts;
    const total = success + error + refused;
    return {
      requests_total: total,
      requests_success: success,
      requests_error: error + refused,
      avg_response_time_ms: total === 0 ? 0 : Math.round((this.#totalMs / total) * 10) / 10,
    };
  }
}
