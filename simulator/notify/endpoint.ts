import { type Dispatcher, request } from 'undici';
import type { NotificationSettings, SettingsInForce } from './settings.ts';

/** Something to be sent: a notification, or one of two copies of it. */
export interface Parcel {
  /** Its JSON. */
  readonly body: string;
  /** Nobody waits for it any longer: it is not sent again. */
  readonly isWithdrawn: boolean;
  /** It goes out, for the first time or again. */
  sent(isAgain: boolean): void;
  /** It was accepted, or is given up. */
  ended(isDelivered: boolean): void;
}

/** What endpoints have in common. */
export interface EndpointParts {
  settings: SettingsInForce;
  dispatcher: Dispatcher;
  /** Told of every request once it was answered, or was not; `isSlow`: not within the time for a first answer. */
  onPosted: (outcome: { isAccepted: boolean; isSlow: boolean }) => void;
}

/** Parcels that were sent together and failed together. */
interface Batch {
  parcels: readonly Parcel[];
  due: number;
  attempts: number;
  firstAt: number;
}

const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 30 * 60_000;
const GIVE_UP_MS = 4 * 3_600_000;

/**
 * One address that notifications go to, and what waits for it. What is due is sent together; what is not accepted is
 * sent again with growing pauses for four hours.
 */
export class Endpoint {
  readonly #url: string;
  readonly #parts: EndpointParts;
  /** By the time at which they are due. */
  readonly #waiting: { due: number; parcel: Parcel }[] = [];
  #failed: Batch[] = [];
  #inFlight = 0;
  #toSendAgain = 0;
  #timer: { handle: NodeJS.Timeout; at: number } | undefined;
  #isClosed = false;

  constructor(url: string, parts: EndpointParts) {
    this.#url = url;
    this.#parts = parts;
  }

  /** Takes a parcel that is to be sent at `due`, in milliseconds since 1970; gives it up where too many wait. */
  add(parcel: Parcel, due: number): void {
    if (this.#waiting.length + this.#toSendAgain >= this.#settings.queueLimit) return parcel.ended(false);
    this.#waiting.splice(this.#placeOf(due), 0, { due, parcel });
    this.#arm();
  }

  /** Behind everything that is due at the same time or before. */
  #placeOf(due: number): number {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#waiting[middle]?.due ?? 0) <= due) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer?.handle);
  }

  get #settings(): NotificationSettings {
    return this.#parts.settings.current;
  }

  /** Wakes up when the next parcels are due, and those that join them are there. */
  #arm(): void {
    if (this.#isClosed || this.#inFlight >= this.#settings.concurrency) return;
    const first = this.#waiting[0];
    const again = this.#failed.reduce((least, { due }) => Math.min(least, due), Infinity);
    const at = Math.min(first ? first.due + this.#settings.batchMs : Infinity, again);
    if (at === Infinity || (this.#timer && this.#timer.at <= at)) return;
    clearTimeout(this.#timer?.handle);
    const handle = setTimeout(() => this.#flush(), Math.max(0, at - Date.now()));
    this.#timer = { handle, at };
  }

  #flush(): void {
    this.#timer = undefined;
    while (this.#inFlight < this.#settings.concurrency) {
      const batch = this.#takeFailed() ?? this.#takeWaiting();
      if (!batch) break;
      void this.#send(batch);
    }
    this.#arm();
  }

  #takeFailed(): Batch | undefined {
    const now = Date.now();
    const index = this.#failed.findIndex(({ due }) => due <= now);
    const [batch] = index < 0 ? [] : this.#failed.splice(index, 1);
    if (!batch) return undefined;
    this.#toSendAgain -= batch.parcels.length;
    const wanted = batch.parcels.filter(({ isWithdrawn }) => !isWithdrawn);
    for (const parcel of batch.parcels) if (parcel.isWithdrawn) parcel.ended(false);
    return wanted.length === 0 ? this.#takeFailed() : { ...batch, parcels: wanted };
  }

  #takeWaiting(): Batch | undefined {
    const now = Date.now();
    const { batchSize } = this.#settings;
    let count = 0;
    while (count < batchSize && (this.#waiting[count]?.due ?? Infinity) <= now) count++;
    if (count === 0) return undefined;
    const parcels = this.#waiting.splice(0, count).map(({ parcel }) => parcel);
    return { parcels, due: now, attempts: 0, firstAt: now };
  }

  async #send(batch: Batch): Promise<void> {
    const attempts = batch.attempts + 1;
    for (const parcel of batch.parcels) parcel.sent(attempts > 1);
    this.#inFlight++;
    const isAccepted = await this.#post(batch.parcels, attempts);
    this.#inFlight--;
    if (isAccepted) for (const parcel of batch.parcels) parcel.ended(true);
    else this.#postpone({ ...batch, attempts });
    this.#arm();
  }

  async #post(parcels: readonly Parcel[], attempts: number): Promise<boolean> {
    const { firstTimeoutMs, retryTimeoutMs } = this.#settings;
    const { dispatcher, onPosted } = this.#parts;
    const began = performance.now();
    const isAccepted = await request(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: `{"value":[${parcels.map(({ body }) => body).join()}]}`,
      dispatcher,
      signal: AbortSignal.timeout(attempts === 1 ? firstTimeoutMs : retryTimeoutMs),
    }).then(
      async ({ statusCode, body }) => {
        await body.dump();
        return statusCode >= 200 && statusCode < 300;
      },
      () => false,
    );
    if (!this.#isClosed) onPosted({ isAccepted, isSlow: performance.now() - began >= firstTimeoutMs });
    return isAccepted;
  }

  #postpone(batch: Batch): void {
    const { backoffScale } = this.#settings;
    const now = Date.now();
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (batch.attempts - 1), LONGEST_PAUSE_MS) * backoffScale;
    if (this.#isClosed) return;
    if (now + pause - batch.firstAt > GIVE_UP_MS * backoffScale) {
      for (const parcel of batch.parcels) parcel.ended(false);
      return;
    }
    this.#failed.push({ ...batch, due: now + pause });
    this.#toSendAgain += batch.parcels.length;
  }
}
