import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openBatchReceiver, type BatchSettings } from '../../destinations/batch.ts';
import type { BatchLog, Cut, Item, Sender } from '../../destinations/sender.ts';
import { calm, item, message, outcomesOf, stream } from './support/items.ts';
import { json, startReceiver, type Receiver } from './support/receiver.ts';

let receiver: Receiver;
const opened: Sender[] = [];

beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  for (const sender of opened.splice(0)) await sender.close();
  await receiver.close();
});

function open(over: Partial<BatchSettings> = {}): Sender {
  const signingKey = `whsec_${randomBytes(32).toString('base64')}`;
  const sender = openBatchReceiver({
    endpoint: receiver.url,
    signingKey,
    allowPrivate: true,
    batchWaitMs: 50,
    ...over,
  });
  opened.push(sender);
  return sender;
}

const mail = (no: number): Item => item(no, { message: message({ id: `message-${no}` }) });
const mails = (first: number, last: number): Item[] =>
  Array.from({ length: last - first + 1 }, (_, index) => mail(first + index));

const inBatch = (id: string, items: readonly Item[]): Item[] =>
  items.map((one) => ({ ...one, batch: { id, size: items.length, mayBeTaken: true } }));

/** Keeps in memory how batches are cut. */
class KeptCuts implements BatchLog {
  readonly cuts: Cut[] = [];
  readonly replaced: string[] = [];
  /** What was refused after its last sending. */
  readonly notTaken = new Set<string>();
  onCut: (cut: Cut) => void = () => undefined;

  async cut(cuts: readonly Cut[], inPlaceOf?: string): Promise<void> {
    await Promise.resolve();
    for (const cut of cuts) this.onCut(cut);
    this.cuts.push(...cuts);
    if (inPlaceOf !== undefined) this.replaced.push(inPlaceOf);
  }

  sending(id: string): void {
    this.notTaken.delete(id);
  }

  refused(id: string): void {
    this.notTaken.add(id);
  }
}

interface Batch {
  readonly batch_id: string;
  readonly emails: readonly Readonly<Record<string, unknown>>[];
}
const batches = (): Batch[] => receiver.received.map(({ body }) => JSON.parse(body) as Batch);
const sizes = (): number[] => batches().map(({ emails }) => emails.length);

describe('a batch receiver', () => {
  it('gets the metadata of many messages in one body, in order', async () => {
    const { outcomes, thrown } = await outcomesOf(open({ batchItems: 4 }).send(stream(...mails(1, 10)), calm()));
    expect(thrown).toBeUndefined();
    expect(outcomes.map(({ deliveryNo, status }) => `${deliveryNo} ${status}`)).toEqual(
      mails(1, 10).map(({ deliveryNo }) => `${deliveryNo} accepted`),
    );
    expect(sizes()).toEqual([4, 4, 2]);
    expect(batches().flatMap(({ emails }) => emails.map((each) => each['message_id']))).toEqual(
      mails(1, 10).map((each) => each.message.email.id),
    );
    expect(receiver.received[0]).toMatchObject({ method: 'POST', url: '/batch-metadata' });
    const [email = {}] = batches()[0]?.emails ?? [];
    expect(email).toMatchObject({
      subject: 'Invoice ID_12345 - Payment Required',
      received_datetime: '2025-12-23T09:45:12.000000',
    });
    expect(Object.keys(email)).not.toContain('body_content');
    expect(Object.keys(email)).not.toContain('attachments');
  });

  it('has one key for a batch, the same for the same messages', async () => {
    const sender = open();
    for (const sent of [mails(1, 3), mails(1, 3), mails(1, 2)]) await outcomesOf(sender.send(stream(...sent), calm()));
    const [first, again, other] = receiver.received.map(({ headers }) => headers['idempotency-key']);
    expect(first).toBe(again);
    expect(other).not.toBe(first);
    expect(batches().map(({ batch_id }) => batch_id)).toEqual([first, again, other]);
  });

  it('does not wait for a full batch longer than it should, nor makes one larger than it should', async () => {
    let release = (): void => undefined;
    async function* slowly(): AsyncGenerator<Item> {
      yield* mails(1, 2);
      await new Promise<void>((resolve) => (release = resolve));
    }
    const sent = open().send(slowly(), calm())[Symbol.asyncIterator]();
    expect((await sent.next()).value).toEqual({ deliveryNo: 1, status: 'accepted' });
    await sent.next();
    const end = sent.next();
    await vi.waitFor(() => release());
    expect((await end).done).toBe(true);
    await outcomesOf(open({ batchBytes: 2000 }).send(stream(...mails(3, 6)), calm()));
    expect(sizes()[0]).toBe(2);
    expect(Math.max(...sizes().slice(1))).toBeLessThan(4);
  });

  it.each([
    ['a list of what is rejected', { rejected: [{ message_id: 'message-2', error: 'No such mailbox' }] }],
    [
      'a result for each',
      {
        results: [
          { message_id: 'message-1', status: 'ok' },
          { message_id: 'message-2', status: 'rejected', error: 'No such mailbox' },
        ],
      },
    ],
  ])('may take a part, by %s', async (_, answer) => {
    receiver.answer = (response) => json(response, 207, answer);
    const { outcomes } = await outcomesOf(open().send(stream(...mails(1, 3)), calm()));
    expect(outcomes).toEqual([
      { deliveryNo: 1, status: 'accepted' },
      { deliveryNo: 2, status: 'refused', cause: 'rejected', error: 'No such mailbox', retry: false },
      { deliveryNo: 3, status: 'accepted' },
    ]);
  });

  it('may name what it rejects without a word', async () => {
    receiver.answer = (response) => json(response, 200, { rejected: ['message-1', 5, null] });
    const { outcomes } = await outcomesOf(open().send(stream(...mails(1, 2)), calm()));
    expect(outcomes).toMatchObject([
      { deliveryNo: 1, status: 'refused', retry: false, error: 'Refused by the receiver, which did not say why' },
      { deliveryNo: 2, status: 'accepted' },
    ]);
  });

  it('is sent halves of what is too large for it, in order, down to one message', async () => {
    receiver.answer = (response, { body }) => {
      const { emails } = JSON.parse(body) as Batch;
      const tooLarge = emails.length > 2 || emails.some((each) => each['message_id'] === 'message-3');
      json(response, tooLarge ? 413 : 200, {});
    };
    const { outcomes } = await outcomesOf(open().send(stream(...mails(1, 6)), calm()));
    expect(outcomes.map(({ deliveryNo, status }) => `${deliveryNo} ${status}`)).toEqual([
      '1 accepted',
      '2 accepted',
      '3 refused',
      '4 accepted',
      '5 accepted',
      '6 accepted',
    ]);
    expect(outcomes[2]).toMatchObject({ cause: 'too_large', retry: false });
  });

  it('is sent nothing newer than what it is to be asked again', async () => {
    receiver.answer = (response) => json(response, receiver.received.length === 2 ? 429 : 200, {});
    const { outcomes, thrown } = await outcomesOf(open({ batchItems: 2 }).send(stream(...mails(1, 6)), calm()));
    expect(thrown).toBeUndefined();
    expect(outcomes.map(({ deliveryNo, status }) => `${deliveryNo} ${status}`)).toEqual([
      '1 accepted',
      '2 accepted',
      '3 refused',
      '4 refused',
    ]);
    expect(outcomes[3]).toMatchObject({ cause: 'throttled', retry: true });
    expect(receiver.received).toHaveLength(2);
  });

  it('is sent halves of what it fails at, until the one message that makes it fail is alone, and nothing after that', async () => {
    receiver.answer = (response, { body }) => json(response, body.includes('"message-4"') ? 500 : 200, {});
    const { outcomes } = await outcomesOf(open({ batchItems: 6 }).send(stream(...mails(1, 12)), calm()));
    expect(outcomes.map(({ deliveryNo, status }) => `${deliveryNo} ${status}`)).toEqual([
      '1 accepted',
      '2 accepted',
      '3 accepted',
      '4 refused',
    ]);
    expect(outcomes[3]).toMatchObject({ cause: 'server_error', retry: true });
  });

  it('is sent nothing before it is kept how it is cut; the next cut is kept while one batch is being sent', async () => {
    const kept = new KeptCuts();
    let receivedBefore = 0;
    receiver.answer = (response) => {
      if (receiver.received.length > 1) return json(response, 200, {});
      void vi
        .waitUntil(() => kept.cuts.length === 2)
        .then(() => {
          receivedBefore = receiver.received.length;
          json(response, 200, {});
        });
    };
    kept.onCut = ({ id }) => void expect(batches().map(({ batch_id }) => batch_id)).not.toContain(id);
    await outcomesOf(open({ batchItems: 2 }).send(stream(...mails(1, 4)), calm(), kept));
    expect(receivedBefore).toBe(1);
    expect(kept.cuts).toEqual(
      batches().map(({ batch_id: id }, at) => ({ id, deliveryNos: at === 0 ? [1, 2] : [3, 4] })),
    );
    kept.onCut = () => {
      throw new Error('The store is away');
    };
    const { thrown } = await outcomesOf(open().send(stream(mail(5)), calm(), kept));
    expect(thrown).toMatchObject({ message: 'The store is away' });
    expect(receiver.received).toHaveLength(2);
  });

  it('is sent a batch that was cut before as it was, whatever a batch may hold now, and what comes after it apart', async () => {
    const kept = new KeptCuts();
    const items = [...inBatch('before', mails(1, 3)), ...inBatch('before too', mails(4, 4)), ...mails(5, 6)];
    await outcomesOf(open({ batchItems: 2 }).send(stream(...items), calm(), kept));
    expect(sizes()).toEqual([3, 1, 2]);
    expect(batches().map(({ batch_id }) => batch_id)).toEqual(['before', 'before too', kept.cuts[0]?.id]);
    expect(receiver.received.map(({ headers }) => headers['idempotency-key'])).toEqual(
      batches().map(({ batch_id }) => batch_id),
    );
    expect(kept.cuts).toHaveLength(1);
  });

  it('is sent all of a batch that was cut before, or nothing of it', async () => {
    const [first, second] = inBatch('before', mails(1, 3));
    const { outcomes } = await outcomesOf(
      open().send(stream(...mails(8, 9), ...[first, second].flatMap((one) => one ?? [])), calm()),
    );
    expect(outcomes.map(({ deliveryNo }) => deliveryNo)).toEqual([8, 9]);
    expect(sizes()).toEqual([2]);
  });

  it('is sent halves under ids of their own, which are kept in place of the whole before anything is sent under them', async () => {
    const kept = new KeptCuts();
    receiver.answer = (response, { body }) =>
      json(response, (JSON.parse(body) as Batch).emails.length > 1 ? 500 : 200, {});
    await outcomesOf(open().send(stream(...mails(1, 3)), calm(), kept));
    const [whole, firstTwo, last, first, second] = kept.cuts;
    expect(kept.cuts.map(({ deliveryNos }) => deliveryNos)).toEqual([[1, 2, 3], [1, 2], [3], [1], [2]]);
    expect(kept.replaced).toEqual([whole?.id, firstTwo?.id]);
    expect(batches().map(({ batch_id }) => batch_id)).toEqual(
      [whole, firstTwo, first, second, last].map((cut) => cut?.id),
    );
  });

  it('is not sent halves of a batch that it may have taken, unless that is too large', async () => {
    const kept = new KeptCuts();
    receiver.answer = (response) => json(response, 503, {});
    const { outcomes } = await outcomesOf(open().send(stream(...inBatch('unsure', mails(1, 2))), calm(), kept));
    expect(outcomes.map(({ deliveryNo, status }) => `${deliveryNo} ${status}`)).toEqual(['1 refused', '2 refused']);
    receiver.answer = (response) => json(response, receiver.received.length === 2 ? 413 : 200, {});
    await outcomesOf(open().send(stream(...inBatch('unsure', mails(1, 2))), calm(), kept));
    expect(sizes()).toEqual([2, 2, 1, 1]);
    expect(kept.replaced).toEqual(['unsure']);
  });

  it('has not taken what it refused; no answer, or one of a gateway, says nothing, and such a batch stays whole', async () => {
    const kept = new KeptCuts();
    const sender = open();
    const sendWith = async (answer: Receiver['answer'], ...sent: readonly Item[]): Promise<boolean> => {
      receiver.answer = answer;
      await outcomesOf(sender.send(stream(...sent), calm(), kept));
      return kept.notTaken.has(kept.cuts.at(-1)?.id ?? '');
    };
    expect(await sendWith((response) => json(response, 200, {}), mail(1))).toBe(false);
    expect(await sendWith((response) => json(response, 503, {}), mail(2))).toBe(true);
    expect(await sendWith((response) => json(response, 429, {}), ...mails(3, 4))).toBe(true);
    expect(await sendWith((response) => void response.destroy(), ...mails(5, 6))).toBe(false);
    for (const [at, status] of [502, 504, 524].entries()) {
      const sent = [mail(10 + 2 * at), mail(11 + 2 * at)];
      expect(await sendWith((response) => json(response, status, {}), ...sent), String(status)).toBe(false);
    }
    expect(sizes()).toEqual([1, 1, 2, 2, 2, 2, 2]);
    expect(kept.replaced).toEqual([]);
    const unsure = inBatch('unsure', mails(20, 21));
    await sendWith((response) => json(response, 503, {}), ...unsure);
    expect(kept.notTaken).not.toContain('unsure');
  });

  it('can be asked whether it answers anything at all', async () => {
    receiver.answer = (response) => json(response, 503, {});
    expect(await open().answers?.(calm())).toBe(true);
    receiver.answer = (response) => void response.destroy();
    expect(await open().answers?.(calm())).toBe(false);
  });

  it('may refuse a batch for good, and gets the next one', async () => {
    receiver.answer = (response) => json(response, receiver.received.length === 1 ? 422 : 200, {});
    const { outcomes } = await outcomesOf(open({ batchItems: 2 }).send(stream(...mails(1, 4)), calm()));
    expect(outcomes.map(({ status }) => status)).toEqual(['refused', 'refused', 'accepted', 'accepted']);
    expect(outcomes[0]).toMatchObject({ cause: 'rejected', retry: false });
  });

  it('is held to the same addresses as a utility, and asked for its health', async () => {
    const { thrown } = await outcomesOf(open({ allowPrivate: false }).send(stream(mail(1)), calm()));
    expect(thrown).toMatchObject({ reason: 'misconfigured' });
    expect(await open().health(calm())).toMatchObject({ healthy: true });
  });
});
