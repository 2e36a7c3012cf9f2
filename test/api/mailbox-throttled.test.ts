import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openTenantStage, type TenantStage } from './support/tenant-stage.ts';

const LONG = { timeout: 60_000, interval: 50 };

describe('a scan of one mailbox at a time, with the real worker', () => {
  let stage: TenantStage;
  beforeAll(async () => {
    const tenant = { mailboxes: 4, messagesPerMailbox: 20, folders: 1, specialUsers: false };
    stage = await openTenantStage(tenant, { MAX_WORKERS: '1' });
  });
  afterEach(() => stage.heal());
  afterAll(() => stage?.close());

  it('reads the others while Graph makes two mailboxes wait for ten minutes', async () => {
    const { control } = stage.simulator;
    const organizationId = stage.organization('throttled');
    const effect = { type: 'status', status: 429, code: 'ApplicationThrottled', retryAfter: 600 } as const;
    for (const { id } of control.truth.mailboxes().slice(0, 2)) {
      control.addFault({ mailbox: id, kind: 'messagesDelta', effect });
    }
    const config = { scanId: 'throttled', organizationId, type: ['email'] };
    const body = { config: { ...config, auth: stage.auth } };
    expect((await stage.call('POST', '/api/v1/scan/start', { body })).status).toBe(202);
    await vi.waitFor(async () => {
      const { body } = await stage.call('GET', `/api/v1/scan/throttled/status?organizationId=${organizationId}`);
      expect(body).toMatchObject({ status: 'running', mailboxes: { completed: 2 } });
    }, LONG);
    const cancelled = await stage.call('POST', `/api/v1/scan/throttled/cancel?organizationId=${organizationId}`);
    expect(cancelled.status).toBe(202);
  });
});
