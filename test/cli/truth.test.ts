import { getEventListeners } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTruth } from '../../cli/demo/truth.ts';
import { startSimulator, type Simulator } from '../../simulator/index.ts';

let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 3, messagesPerMailbox: 2, specialUsers: false } });
});

afterAll(() => simulator.close());

describe('the ground truth, asked over HTTP', () => {
  it('leaves nothing on the signal that every request shares, for a tenant may have thousands of mailboxes', async () => {
    const { signal } = new AbortController();
    const truth = openTruth(simulator.url, signal);
    let messages = 0;
    for await (const batch of truth.batches(await truth.mailboxes(), { tenantId: 't', scanId: 's' })) {
      messages += batch.messages.length;
    }
    expect(messages).toBe(6);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('ends with the reason of its signal', async () => {
    const interrupt = new AbortController();
    const truth = openTruth(simulator.url, interrupt.signal);
    interrupt.abort(new Error('enough'));
    await expect(truth.summary()).rejects.toThrow('enough');
  });
});
