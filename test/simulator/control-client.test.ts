import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { controlClient, type ControlClient } from '../../simulator/control-client.ts';
import { startSimulator, type Simulator, type TruthSummary } from '../../simulator/index.ts';

let simulator: Simulator;
let control: ControlClient;

beforeAll(async () => {
  simulator = await startSimulator({ tenant: { mailboxes: 1, messagesPerMailbox: 2, specialUsers: false } });
  control = controlClient(simulator.url);
});

afterAll(() => simulator.close());

describe('the control API, called from another process', () => {
  it('answers what it was asked for', async () => {
    const { messages } = await control<TruthSummary>('GET', '/truth/summary');
    expect(messages).toBe(2);
  });

  it('takes a body, and may answer nothing', async () => {
    expect(await control('POST', '/latency', { milliseconds: 0 })).toBeUndefined();
  });

  it('says what was refused, and why', async () => {
    await expect(control('POST', '/latency', { milliseconds: -1 })).rejects.toThrow(
      'The simulator answered 400 to POST /latency: {"error":"Latency is a number of milliseconds, 0 or more."}',
    );
  });
});
