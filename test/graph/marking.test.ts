import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphError } from '../../graph/errors.ts';
import { startSimulator, type Simulator } from '../../simulator/index.ts';
import { open, unhurried } from './support.ts';

describe('marking messages as read', () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator({ tenant: { mailboxes: 1, messagesPerMailbox: 0, specialUsers: false } });
  });
  afterAll(() => simulator.close());
  const roles = ['User.Read.All', 'Mail.Read', 'Mail.ReadWrite'] as const;
  const mailboxId = (): string => simulator.control.truth.mailboxes()[0]?.id ?? '';
  const opened = () => {
    const { url, tenantId, clientId, clientSecret } = simulator;
    const credential = { kind: 'secret', clientSecret } as const;
    return open(url, {}, { tenantId, clientId, cloud: 'global', credential });
  };
  const arrive = (): string => simulator.control.addMessage({ mailbox: mailboxId(), folder: 'inbox' }).id;

  it('marks several in one request, and tells how they are then, or that they are gone', async () => {
    simulator.control.changeTenant({ roles: [...roles], revokeTokens: true });
    await using client = opened();
    const [first, second, gone] = [arrive(), arrive(), arrive()];
    simulator.control.removeMessage({ mailbox: mailboxId(), id: gone });
    simulator.control.resetStats();
    const answers = await client.graph.mailbox(mailboxId()).markRead([first, second, gone], unhurried());
    expect(answers.get(first)).toMatchObject({ id: first, isRead: true });
    expect(answers.get(second)).toMatchObject({ id: second, isRead: true });
    expect(answers.get(gone)).toBe('missing');
    expect(simulator.control.stats().byKind.batch).toBe(1);
  });

  it('tells of a refusal in the message’s place', async () => {
    simulator.control.changeTenant({ roles: ['User.Read.All', 'Mail.Read'], revokeTokens: true });
    await using client = opened();
    const id = arrive();
    const answer = (await client.graph.mailbox(mailboxId()).markRead([id], unhurried())).get(id);
    expect(answer).toBeInstanceOf(GraphError);
    expect(answer).toMatchObject({ status: 403, kind: 'mailbox_denied' });
  });

  it('asks again where a single one is throttled', async () => {
    simulator.control.changeTenant({ roles: [...roles], revokeTokens: true });
    await using client = opened();
    const id = arrive();
    simulator.control.failNext({
      mailbox: mailboxId(),
      message: id,
      status: 429,
      code: 'ApplicationThrottled',
      retryAfter: 0,
    });
    const answers = await client.graph.mailbox(mailboxId()).markRead([id], unhurried());
    expect(answers.get(id)).toMatchObject({ isRead: true });
  });
});
