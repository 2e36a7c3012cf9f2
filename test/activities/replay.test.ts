import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { createFeedingActivities } from '../../activities/feeding-activities.ts';
import { withDefaults, type KindSettings } from '../../model/destination.ts';
import { dropDeadLetters } from '../../store/dead-letters.ts';
import { changeDestination, createDestination, type Destination } from '../../store/destinations.ts';
import { replayBegins, type Fed } from '../../store/feeding.ts';
import { unique } from '../store/support.ts';
import { DONE, attachedMailOn, file } from './attached-mail.ts';
import { liveOn } from './live-stage.ts';
import { useMailboxes } from './stage.ts';

describe('attachments of a message of which some were delivered', () => {
  const stage = useMailboxes(
    { mailboxes: 6, messagesPerMailbox: 3, folders: 1, attachments: { share: 0 } },
    { maxRetries: 0 },
  );
  const live = liveOn(stage);
  const { arrive, stored, truth } = attachedMailOn(stage);
  afterEach(() => stage.store.sql('DELETE FROM outhaul.destinations'));

  /** Settings of a list that takes these types of attachments of one mailbox. */
  const only = (mailbox: string, attachmentType?: string[]): KindSettings => {
    const filters = { mailbox: [mailbox], ...(attachmentType && { attachmentType }) };
    return { kind: 'redis_list', settings: withDefaults('redis_list', { url: 'redis://redis.example', filters }) };
  };
  const destination = (settings: KindSettings): Promise<Destination> =>
    createDestination(stage.store.db, stage.organization, { ...settings, name: unique('to'), starts: 'now' });
  const accept = (...ids: readonly string[]) =>
    stage.store.sql(
      `UPDATE outhaul.deliveries SET status = 'delivered', delivered_at = now() WHERE attachment_id = ANY($1)`,
      [ids],
    );
  async function replay({ id: destinationId }: Destination): Promise<Fed> {
    const { db } = stage.store;
    const nobody = (): Promise<void> => Promise.resolve();
    const activities = createFeedingActivities({ db, wake: nobody, wakeMailboxes: nobody, log: { warn() {} } });
    const window = { since: '1970-01-01T00:00:00Z', until: '2999-01-01T00:00:00Z', begunAt: await replayBegins(db) };
    return new MockActivityEnvironment().run((): Promise<Fed> => activities.replayStored({ destinationId, ...window }));
  }
  const owed = async (messageId: string) => {
    const rows = await stage.store.sql<{ status: string; attachment: string }>(
      `SELECT status, attachment_id AS attachment FROM outhaul.deliveries
        JOIN ${stage.organization.schema}.emails e ON e._no = email_no WHERE e.id = $1 ORDER BY owed_xid, part`,
      [messageId],
    );
    return rows.map(({ status, attachment }) => [status, attachment]);
  };

  it('are fetched and owed by a replay where a wider filter wants them, though the reader knew the narrower', async () => {
    const mailbox = stage.ownMailbox();
    const to = await destination(only(mailbox, ['.pdf']));
    const id = arrive(mailbox, [file('a.docx'), file('b.pdf', 200), file('c.png', 300)]);
    const { scanNo } = await stage.addScan();
    const outboxes = stage.outboxes();
    await stage.read(mailbox, scanNo, { outboxes });
    const [docx = '', pdf = ''] = (await stored(mailbox, id)).map((one) => one.id);
    expect(await owed(id)).toEqual([['owed', pdf]]);
    await accept(pdf);
    const { settings } = only(mailbox, ['.pdf', '.docx']);
    await changeDestination(stage.store.db, to, { settings });
    expect(await replay(to)).toMatchObject({ owed: 2 });
    expect(await owed(id)).toEqual([
      ['waiting', ''],
      ['owed', pdf],
    ]);
    expect(await replay(to)).toMatchObject({ owed: 0 });
    await stage.read(mailbox, scanNo, { outboxes });
    expect(await owed(id)).toEqual([
      ['owed', pdf],
      ['owed', docx],
    ]);
    expect((await stored(mailbox, id)).map(({ state }) => state)).toEqual(['stored', 'stored', 'left_out']);
    await accept(pdf, docx);
    expect(await replay(to)).toMatchObject({ owed: 2 });
    expect((await owed(id)).map(([status]) => status)).toEqual(['owed', 'owed']);
  });

  it('are owed by a replay once their dead letters were dropped, and read once more where they could not be', async () => {
    const mailbox = stage.ownMailbox();
    const to = await destination(only(mailbox));
    const id = arrive(mailbox, [file('a.pdf'), file('b.pdf', 200), file('c.pdf', 300)]);
    const [a = '', b = '', c = ''] = (await truth(mailbox, id)).map((one) => one.id);
    stage.simulator.control.addFault({ mailbox, message: id, attachment: c, effect: { type: 'poison' } });
    await stage.read(mailbox, (await stage.addScan()).scanNo);
    stage.simulator.control.clearFaults();
    await accept(a);
    await stage.store.sql(
      `UPDATE outhaul.deliveries SET status = 'dead', dead_at = now() WHERE attachment_id = ANY($1)`,
      [[b, c]],
    );
    const { organizationId } = stage.organization;
    expect(await dropDeadLetters(stage.store.db, organizationId, {})).toBe(2);
    await replay(to);
    await live.start(mailbox);
    expect(await live.read(mailbox)).toMatchObject(DONE);
    expect(await owed(id)).toEqual([
      ['owed', a],
      ['owed', b],
      ['owed', c],
    ]);
    expect((await stored(mailbox, id)).map(({ state }) => state)).toEqual(['stored', 'stored', 'stored']);
  });
});
