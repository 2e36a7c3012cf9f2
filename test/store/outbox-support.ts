import { vi } from 'vitest';
import { URGENCY, type Urgency } from '../../model/delivery.ts';
import { withDefaults, type DestinationStart, type KindSettings } from '../../model/destination.ts';
import { claimDeliveries, nextInOrder, type DeliveryInLine, type OwedDelivery } from '../../store/deliveries.ts';
import { claimDestination } from '../../store/destination-claims.ts';
import { createDestination, type Destination } from '../../store/destinations.ts';
import type { Organization } from '../../store/organizations.ts';
import type { OwedTo } from '../../store/owing.ts';
import { writePage } from '../../store/pages.ts';
import { message, startReading, unique, type Reading, type ReadingOptions, type StoreFixture } from './support.ts';

export const utility: KindSettings = {
  kind: 'utility',
  settings: withDefaults('utility', { endpoint: 'https://utility.example' }),
};
export const batch: KindSettings = {
  kind: 'batch',
  settings: withDefaults('batch', { endpoint: 'https://batch.example' }),
};
export const redisList: KindSettings = {
  kind: 'redis_list',
  settings: withDefaults('redis_list', { url: 'redis://redis.example' }),
};

/** What a message is owed to, whatever it is. */
export const owes =
  (...destinations: readonly Destination[]) =>
  (): OwedTo[] =>
    destinations.map(({ destinationNo }) => ({ destinationNo, owing: 'owed', urgency: URGENCY.live }));

export interface DeliveryRow {
  readonly no: number;
  readonly id: string;
  readonly attachment: string;
  readonly status: string;
  readonly attempts: number;
}

/** A mailbox that is being read, and a destination. */
export class Outbox {
  readonly store: StoreFixture;
  readonly reading: Reading;
  readonly destination: Destination;

  constructor(store: StoreFixture, reading: Reading, destination: Destination) {
    this.store = store;
    this.reading = reading;
    this.destination = destination;
  }

  static async of(
    store: StoreFixture,
    kind: KindSettings,
    { starts = 'now', ...options }: ReadingOptions & { readonly starts?: DestinationStart } = {},
  ): Promise<Outbox> {
    const reading = await startReading(store.db, options);
    const settings = { ...kind, name: unique('destination'), starts };
    return new Outbox(store, reading, await createDestination(store.db, reading.organization, settings));
  }

  get organization(): Organization {
    return this.reading.organization;
  }

  /** Stores messages, each owed to the destination. */
  async owe(
    ids: readonly string[],
    { owing = 'owed', urgency = URGENCY.live }: { owing?: OwedTo['owing']; urgency?: Urgency } = {},
  ): Promise<void> {
    const { destinationNo } = this.destination;
    const messages = ids.map((id) => message(id));
    const to = [{ destinationNo, owing, urgency }];
    await writePage(this.store.db, this.organization, this.reading.page(messages, { owes: () => to }));
  }

  /** All that is known of the destination's deliveries. */
  rows(columns = ''): Promise<DeliveryRow[]> {
    return this.store.sql(
      `SELECT delivery_no AS no, e.id, attachment_id AS attachment, status, attempts ${columns} FROM outhaul.deliveries
        JOIN ${this.organization.schema}.emails e ON e._no = email_no WHERE destination_no = $1
        ORDER BY owed_xid, email_no, part`,
      [this.destination.destinationNo],
    );
  }

  async statuses(): Promise<string[]> {
    return (await this.rows()).map(({ id, attachment, status }) =>
      [id, ...(attachment === '' ? [] : [attachment]), status].join(' '),
    );
  }

  claim(token: string, { limit = 100, seconds = 60, db = this.store.db } = {}): Promise<OwedDelivery[]> {
    return claimDeliveries(db, { destinationNo: this.destination.destinationNo, token, seconds, limit });
  }

  /**
   * Takes the destination and asks for what is next there, once no transaction of the server is open any more that might
   * precede what is stored: those of other tests, too.
   */
  async next(token: string, limit = 100): Promise<DeliveryInLine[]> {
    const { destinationNo } = this.destination;
    const unsure = `SELECT FROM outhaul.deliveries WHERE destination_no = $1
      AND owed_xid >= pg_snapshot_xmin(pg_current_snapshot()) AND owed_xid < pg_snapshot_xmax(pg_current_snapshot())`;
    await vi.waitUntil(async () => (await this.store.sql(unsure, [destinationNo])).length === 0, { timeout: 20_000 });
    await claimDestination(this.store.db, { destinationNo, token, seconds: 60 });
    return nextInOrder(this.store.db, { destinationNo, token, limit });
  }

  /** The messages and attachments of deliveries by name, in their order. */
  async names(deliveries: readonly OwedDelivery[]): Promise<string[]> {
    const rows = await this.store.sql<{ no: number; id: string }>(
      `SELECT _no AS no, id FROM ${this.organization.schema}.emails`,
    );
    const ids = new Map(rows.map(({ no, id }) => [no, id]));
    return deliveries.map(
      ({ emailNo, attachmentId }) => `${ids.get(emailNo)}${attachmentId ? ` ${attachmentId}` : ''}`,
    );
  }

  /** Makes the claims of deliveries run out. */
  async passClaims(): Promise<void> {
    await this.store.sql(
      `UPDATE outhaul.deliveries SET next_at = now() - interval '1 ms' WHERE destination_no = $1 AND status = 'claimed'`,
      [this.destination.destinationNo],
    );
  }
}
