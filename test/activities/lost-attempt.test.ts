import { Context } from '@temporalio/activity';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MailboxActivities } from '../../activities/mailbox-activities.ts';
import { DONE, Tenant } from '../support/tenant.ts';
import { openWorkflowStage, type WorkflowStage } from '../support/temporal.ts';

describe('what an attempt told with its last heartbeat', () => {
  let stage: WorkflowStage;
  beforeEach(async () => {
    stage = await openWorkflowStage();
  });
  afterEach(() => stage.close());

  it('is still known after an attempt that was lost before it told anything', async () => {
    const tenant = new Tenant(1);
    const attempts: unknown[] = [];
    const readMailbox: MailboxActivities['readMailbox'] = async () => {
      const { info, cancelled } = Context.current();
      attempts.push(info.heartbeatDetails);
      if (info.attempt === 1) {
        Context.current().heartbeat({ failures: 1 });
        throw new Error('the first attempt fails');
      }
      // The second says nothing until its heartbeat time-out has passed.
      if (info.attempt === 2) await cancelled.catch(() => undefined);
      return DONE;
    };
    await stage.run(tenant.activities({ readMailbox }), async () => {
      const { handle } = await stage.startScan('lost-attempt');
      expect(await handle.result()).toBe('completed');
    });
    expect(attempts).toEqual([undefined, { failures: 1 }, { failures: 1 }]);
  });
});
