import { describe, expect, it } from 'vitest';
import { liveOn } from './live-stage.ts';
import { useMailboxes } from './stage.ts';

const DONE = { done: true, outcome: 'completed' };

describe('settlement', () => {
  const stage = useMailboxes({ mailboxes: 30, messagesPerMailbox: 30, folders: 3 });
  const live = liveOn(stage);
  /** A mailbox that no other test of this file uses, read by a scan and followed by a session. */
  const followed = async (folders = ['all']): Promise<string> => {
    const mailbox = stage.ownMailbox();
    await stage.read(mailbox, (await stage.addScan({ folders })).scanNo);
    await live.start(mailbox, { filters: { folders } });
    return mailbox;
  };
  const control = () => stage.simulator.control;
  const oneOf = (mailbox: string, folder = 'inbox'): string =>
    control().truth.page({ mailbox, folder, limit: 1 }).value[0]?.message['id'] as string;
  const told = async (mailbox: string, id: string): Promise<void> => {
    await live.hint(mailbox, id);
    expect(await live.read(mailbox)).toMatchObject(DONE);
  };
  const sweep = async (mailbox: string): Promise<void> => {
    await live.wantDelta(mailbox);
    expect(await live.read(mailbox)).toMatchObject(DONE);
  };
  const scan = async (mailbox: string): Promise<void> => {
    const { scanNo } = await stage.addScan({ folders: ['all'] }, 'incremental');
    expect(await stage.read(mailbox, scanNo)).toMatchObject(DONE);
  };
  /** Every message as it is stored, beside what Graph holds. */
  const compared = async (mailbox: string): Promise<readonly [stored: object[], held: object[]]> => {
    const { schema } = stage.organization;
    const { value } = control().truth.page({ mailbox, limit: 10_000 });
    const stored = await stage.store.sql<{ id: string }>(
      `SELECT id, change_key AS "changeKey", parent_folder_id AS "parentFolderId", subject
       FROM ${schema}.emails WHERE _user_id = $1 AND _deleted_at IS NULL ORDER BY id`,
      [mailbox],
    );
    const held = value.map(({ message }) => ({
      ...{ id: message['id'] as string, changeKey: message['changeKey'], subject: message['subject'] },
      parentFolderId: message['parentFolderId'],
    }));
    return [stored, held.sort((a, b) => (a.id < b.id ? -1 : 1))];
  };
  const isRight = async (mailbox: string): Promise<void> => {
    const [stored, held] = await compared(mailbox);
    expect(stored).toEqual(held);
  };

  describe.each([
    ['a sweep', sweep],
    ['an incremental scan', scan],
  ] as const)('in %s', (_, read) => {
    it('restores a message that was deleted, and is back where it was', async () => {
      const mailbox = await followed();
      const id = oneOf(mailbox);
      control().removeMessage({ mailbox, id });
      await told(mailbox, id);
      expect((await live.row(mailbox, id))?._deleted_at).not.toBeNull();
      control().restoreMessage({ mailbox, id }, 'inbox');
      await read(mailbox);
      expect((await live.row(mailbox, id))?._deleted_at).toBeNull();
      await isRight(mailbox);
    });

    it('stores what has changed in a message that left its folder and came back', async () => {
      const mailbox = await followed();
      const id = oneOf(mailbox);
      control().moveMessage({ mailbox, id }, 'deleteditems');
      control().changeMessage({ mailbox, id }, { subject: 'Changed elsewhere' });
      control().moveMessage({ mailbox, id }, 'inbox');
      await read(mailbox);
      expect(await live.row(mailbox, id)).toMatchObject({ subject: 'Changed elsewhere', _folder: 'inbox' });
      await isRight(mailbox);
    });

    it('finds a message deleted that was told to have come, before its folder’s delta could tell', async () => {
      const mailbox = await followed();
      const { id } = control().addMessage({ mailbox, folder: 'inbox' }, { subject: 'Short-lived' });
      await told(mailbox, id);
      control().removeMessage({ mailbox, id });
      await read(mailbox);
      expect((await live.row(mailbox, id))?._deleted_at).not.toBeNull();
      await isRight(mailbox);
    });

    it('finds a message that was told to have moved, and went back', async () => {
      const mailbox = await followed();
      const id = oneOf(mailbox);
      control().moveMessage({ mailbox, id }, 'deleteditems');
      await told(mailbox, id);
      expect(await live.row(mailbox, id)).toMatchObject({ _folder: 'deleteditems' });
      control().moveMessage({ mailbox, id }, 'inbox');
      await read(mailbox);
      expect(await live.row(mailbox, id)).toMatchObject({ _folder: 'inbox' });
      await isRight(mailbox);
    });

    it('restores to its old folder what was told to have moved and to have been deleted', async () => {
      const mailbox = await followed();
      const id = oneOf(mailbox);
      control().moveMessage({ mailbox, id }, 'deleteditems');
      await told(mailbox, id);
      control().removeMessage({ mailbox, id });
      await told(mailbox, id);
      control().restoreMessage({ mailbox, id }, 'inbox');
      await read(mailbox);
      expect(await live.row(mailbox, id)).toMatchObject({ _folder: 'inbox', _deleted_at: null });
      await isRight(mailbox);
    });

    it('gives the messages of a folder that was renamed or moved, and of those in it, the new path', async () => {
      const mailbox = await followed();
      const { id: above } = control().createFolder(mailbox, 'inbox', 'Above');
      const { id: below } = control().createFolder(mailbox, above, 'Below');
      const { id } = control().addMessage({ mailbox, folder: below }, { subject: 'Deep' });
      await read(mailbox);
      expect(await live.row(mailbox, id)).toMatchObject({ _folder: 'inbox/Above/Below' });
      control().changeFolder({ mailbox, folder: above }, { displayName: 'Renamed', parent: 'deleteditems' });
      await read(mailbox);
      expect(await live.row(mailbox, id)).toMatchObject({ _folder: 'deleteditems/Renamed/Below' });
      await isRight(mailbox);
    });
  });

  it('asks no more for a message that a delta has told of, or that was asked for once', async () => {
    const mailbox = await followed();
    const { id } = control().addMessage({ mailbox, folder: 'inbox' }, { subject: 'Told' });
    await told(mailbox, id);
    await sweep(mailbox);
    control().resetStats();
    await sweep(mailbox);
    expect(control().stats().byKind.message).toBeUndefined();
  });

  it('gives a message its folder’s whole path, where no read has met that folder', async () => {
    const mailbox = await followed(['inbox']);
    const { id: above } = control().createFolder(mailbox, 'archive', 'Above');
    const { id: below } = control().createFolder(mailbox, above, 'Below');
    const [first, second] = [oneOf(mailbox), control().addMessage({ mailbox, folder: 'inbox' }, {}).id];
    await sweep(mailbox);
    control().moveMessage({ mailbox, id: first }, below);
    await sweep(mailbox);
    expect(await live.row(mailbox, first)).toMatchObject({ _folder: 'archive/Above/Below' });
    control().moveMessage({ mailbox, id: second }, below);
    control().changeMessage({ mailbox, id: second }, { subject: 'Changed there' });
    await told(mailbox, second);
    expect(await live.row(mailbox, second)).toMatchObject({
      _folder: 'archive/Above/Below',
      subject: 'Changed there',
    });
  });

  it('counts what it restores, and the session sees it', async () => {
    const mailbox = await followed();
    const id = oneOf(mailbox);
    control().removeMessage({ mailbox, id });
    await told(mailbox, id);
    control().restoreMessage({ mailbox, id }, 'inbox');
    await sweep(mailbox);
    const seen = await stage.store.sql(
      `SELECT e.id FROM outhaul.scan_messages s JOIN ${stage.organization.schema}.emails e ON e._no = s.email_no
       WHERE s.scan_no = $1`,
      [live.session.scanNo],
    );
    expect(seen).toEqual([{ id }]);

    control().removeMessage({ mailbox, id });
    await told(mailbox, id);
    control().restoreMessage({ mailbox, id }, 'inbox');
    const { scanNo } = await stage.addScan({ folders: ['all'] }, 'incremental');
    expect(await stage.read(mailbox, scanNo)).toMatchObject(DONE);
    const counted = await stage.store.sql(
      `SELECT sum(restored)::int AS restored, sum(deleted)::int AS deleted FROM outhaul.scan_folders WHERE scan_no = $1`,
      [scanNo],
    );
    expect(counted).toEqual([{ restored: 1, deleted: 0 }]);
  });

  it('settles a message that cannot be read whole where it lies, and puts it into quarantine', async () => {
    const mailbox = await followed();
    const id = oneOf(mailbox);
    control().moveMessage({ mailbox, id }, 'deleteditems');
    control().moveMessage({ mailbox, id }, 'inbox');
    control().addFault({ mailbox, message: id, effect: { type: 'poison', members: ['body'] } });
    await sweep(mailbox);
    const { organizationId, schema } = stage.organization;
    const entries = await stage.store.sql(
      `SELECT message_id FROM outhaul.quarantine WHERE organization_id = $1 AND mailbox_id = $2`,
      [organizationId, mailbox],
    );
    expect(entries).toEqual([{ message_id: id }]);
    const open = await stage.store.sql(`SELECT FROM ${schema}.emails WHERE _removed_at IS NOT NULL`);
    expect(open).toEqual([]);
    control().clearFaults();
  });
});

describe('settlement in a mailbox of many folders', () => {
  const stage = useMailboxes({ mailboxes: 1, messagesPerMailbox: 60 });

  it('knows folders outside of the tree, and hidden ones', async () => {
    const [mailbox = ''] = stage.mailboxes;
    const { control } = stage.simulator;
    const [kept = '', put = ''] = control.truth
      .page({ mailbox, folder: 'inbox', limit: 2 })
      .value.map(({ message }) => message['id'] as string);
    await stage.read(mailbox, (await stage.addScan({ folders: ['inbox'] })).scanNo);
    control.moveMessage({ mailbox, id: kept }, 'recoverableitemsdeletions');
    control.moveMessage({ mailbox, id: put }, control.createFolder(mailbox, 'archive', 'Hidden', true).id);
    await stage.read(mailbox, (await stage.addScan({ folders: ['inbox'] }, 'incremental')).scanNo);
    const rows = await stage.store.sql(
      `SELECT _folder FROM ${stage.organization.schema}.emails WHERE id = ANY($1) AND _deleted_at IS NULL ORDER BY _folder`,
      [[kept, put]],
    );
    expect(rows).toEqual([{ _folder: 'archive/Hidden' }, { _folder: 'recoverableitemsdeletions' }]);
  });
});
