import { benchAttachments } from './attachments.ts';
import { benchBatch } from './batch.ts';
import { benchContacts } from './contacts.ts';
import { benchLiveDelivery } from './live.ts';
import { benchOutage } from './outage.ts';
import { benchParallel } from './parallel.ts';
import { benchQueue } from './queue.ts';

export interface DeliverOptions {
  /** Sections to measure. Default: all. */
  readonly only?: readonly string[];
  /** How long mail comes in the live section. Default 5. */
  readonly minutes?: number;
  /** How long destinations are away. Default 10. */
  readonly outageMinutes?: number;
}

/** The sections by name; each has its own stack, and answers its part of the figures. */
const SECTIONS: Readonly<Record<string, (note: (line: string) => void, options: DeliverOptions) => Promise<object>>> = {
  live: benchLiveDelivery,
  parallel: async (note) => ({ parallel: await benchParallel(note) }),
  redis: async (note) => ({ redis: await benchQueue(note) }),
  batch: async (note) => ({ batch: await benchBatch(note) }),
  attachments: async (note) => ({ attachments: await benchAttachments(note) }),
  outage: async (note, options) => ({ outage: await benchOutage(note, options) }),
  airtable: async (note) => ({ airtable: await benchContacts(note) }),
};

/** Handing mail on, one kind of destination after the other. */
export async function benchDeliver(note: (line: string) => void, options: DeliverOptions): Promise<object> {
  const names = options.only ?? Object.keys(SECTIONS);
  const unknown = names.filter((name) => !(name in SECTIONS));
  if (unknown.length > 0) {
    throw new TypeError(`There is no section ${unknown.join(', ')}; there are ${Object.keys(SECTIONS).join(', ')}`);
  }
  const figures: object[] = [];
  for (const name of names) {
    const measured = await SECTIONS[name]!(note, options);
    note(JSON.stringify(measured));
    figures.push(measured);
  }
  return Object.assign({}, ...figures) as object;
}
