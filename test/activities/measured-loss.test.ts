import { describe, expect, it } from 'vitest';
import { mailboxLosses, sessionFigures } from '../../store/session-figures.ts';
import { endSession } from '../../store/session-status.ts';
import { sessionHistory } from '../../store/sessions.ts';
import { liveOn } from './live-stage.ts';
import { useMailboxes } from './stage.ts';

describe('the measured loss of notifications', () => {
  const stage = useMailboxes({ mailboxes: 8, messagesPerMailbox: 5, folders: 1 });
  const live = liveOn(stage);

  /** A mailbox that no other test of this file uses, read by a scan and followed by a session that is notified. */
  const followed = async (): Promise<string> => {
    const mailbox = stage.ownMailbox();
    await stage.read(mailbox, (await stage.addScan()).scanNo);
    await live.start(mailbox);
    await live.subscribe(mailbox);
    return mailbox;
  };
  const arrive = (mailbox: string, more = {}): string =>
    stage.simulator.control.addMessage({ mailbox, folder: 'inbox' }, { subject: 'New', ...more }).id;
  const ago = (seconds: number) => ({ receivedDateTime: new Date(Date.now() - seconds * 1000).toISOString() });
  const readAll = async (mailbox: string): Promise<void> => {
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    expect(await live.stored(mailbox)).toEqual(live.truth(mailbox));
  };
  /** Two messages that were told, and one that was not. */
  const lose = async (mailbox: string): Promise<void> => {
    await live.hint(mailbox, arrive(mailbox), arrive(mailbox));
    arrive(mailbox);
    await readAll(mailbox);
    expect(await measured()).toEqual({ told: 2, missed: 1 });
  };
  const measured = async () => {
    const { organizationId, sessionNo } = live.session;
    return (await sessionFigures(stage.store.db, { organizationId, sessionNo })).found;
  };
  const change = (set: string) =>
    stage.store.sql(`UPDATE outhaul.subscriptions SET ${set} WHERE session_no = $1`, [live.session.sessionNo]);
  const LOST = `state = 'wanted', subscription_id = NULL`;

  it('stays when the subscription is lost, and what comes while there is none is not lost', async () => {
    const mailbox = await followed();
    await lose(mailbox);
    await change(LOST);
    expect(await measured()).toEqual({ told: 2, missed: 1 });
    arrive(mailbox);
    await readAll(mailbox);
    arrive(mailbox, ago(10));
    await change(`state = 'active', subscription_id = 'anew', created_at = clock_timestamp()`);
    await readAll(mailbox);
    expect(await measured()).toEqual({ told: 2, missed: 1 });
    arrive(mailbox);
    await readAll(mailbox);
    expect(await measured()).toEqual({ told: 2, missed: 2 });
    expect(await mailboxLosses(stage.store.db, live.session.sessionNo, { limit: 5 })).toEqual([
      { mailboxId: mailbox, told: 2, missed: 2 },
    ]);
  });

  it('has nothing of what came after a subscription had run out', async () => {
    const mailbox = await followed();
    await lose(mailbox);
    await change(`expires_at = now() - interval '30 seconds'`);
    arrive(mailbox);
    await readAll(mailbox);
    expect(await measured()).toEqual({ told: 2, missed: 1 });
    arrive(mailbox, ago(40));
    await readAll(mailbox);
    expect(await measured()).toEqual({ told: 2, missed: 2 });
  });

  it('stays when Graph refuses to notify any longer', async () => {
    const mailbox = await followed();
    await lose(mailbox);
    await change(`state = 'refused', subscription_id = NULL`);
    arrive(mailbox);
    await readAll(mailbox);
    expect(await measured()).toEqual({ told: 2, missed: 1 });
  });

  it('is the same after the end as in the history, also of a mailbox that is skipped by now', async () => {
    const mailbox = await followed();
    const { sessionNo, organizationId } = live.session;
    await lose(mailbox);
    await stage.store.sql(`UPDATE outhaul.session_mailboxes SET state = 'skipped' WHERE session_no = $1`, [sessionNo]);
    await endSession(stage.store.db, sessionNo, { status: 'stopped', reason: 'enough' });
    expect(await measured()).toEqual({ told: 2, missed: 1 });
    const [ended] = await sessionHistory(stage.store.db, organizationId, { limit: 1 });
    expect(ended).toMatchObject({ sessionNo, mailboxes: 0, told: 2, missed: 1 });
    expect(await mailboxLosses(stage.store.db, sessionNo, { limit: 5 })).toHaveLength(1);
  });
});
