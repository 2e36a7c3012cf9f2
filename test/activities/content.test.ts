import { describe, expect, it } from 'vitest';
import type { Content } from '../../model/content.ts';
import { liveOn } from './live-stage.ts';
import { useMailboxes } from './stage.ts';

interface Row {
  readonly id: string;
  readonly subject: string | null;
  readonly preview: string | null;
  readonly body: string | null;
  readonly type: string | null;
  readonly content: string;
  readonly version: string | null;
}

describe('what is kept of messages', () => {
  const stage = useMailboxes({ mailboxes: 12, messagesPerMailbox: 60, folders: 2 });
  const live = liveOn(stage);
  const rows = (mailbox: string): Promise<Row[]> =>
    stage.store.sql<Row>(
      `SELECT id, subject, body_preview AS preview, body_content AS body, body_content_type AS type, _content AS content,
         change_key AS version
       FROM ${stage.organization.schema}.emails WHERE _user_id = $1 AND _deleted_at IS NULL ORDER BY id`,
      [mailbox],
    );
  const rowOf = async (mailbox: string, id: string) => (await rows(mailbox)).find((row) => row.id === id);
  const bodiesOf = (mailbox: string): (string | undefined)[] =>
    stage.simulator.control.truth
      .page({ mailbox, limit: 1000 })
      .value.map(({ message }) => message)
      .sort((a, b) => ((a['id'] as string) < (b['id'] as string) ? -1 : 1))
      .map(({ body }) => (body as { content?: string } | undefined)?.content);
  const read = async (mailbox: string, content: Content, mode: 'full' | 'incremental' = 'full'): Promise<number> => {
    const { scanNo } = await stage.addScan({ content }, mode);
    expect(await stage.read(mailbox, scanNo)).toMatchObject({ done: true, outcome: 'completed' });
    return scanNo;
  };
  const add = (mailbox: string, subject: string): string =>
    stage.simulator.control.addMessage({ mailbox, folder: 'inbox' }, { subject }).id;

  it('are headers: all but the body, which Graph is not asked for', async () => {
    const mailbox = stage.ownMailbox();
    await read(mailbox, 'headers');
    const found = await rows(mailbox);
    expect(found.map(({ id }) => id)).toEqual(stage.idsIn(mailbox));
    expect(found.filter(({ body, type }) => body !== null || type !== null)).toEqual([]);
    expect(
      found.every(({ preview, subject, content }) => preview !== null && subject !== null && content === 'headers'),
    ).toBe(true);
  });

  it('are bodies as well once a scan asks for them, though no message has changed', async () => {
    const mailbox = stage.ownMailbox();
    await read(mailbox, 'headers');
    const before = await rows(mailbox);
    const scanNo = await read(mailbox, 'full');
    const after = await rows(mailbox);
    expect(after.map(({ body }) => body)).toEqual(bodiesOf(mailbox));
    expect(after.map(({ version }) => version)).toEqual(before.map(({ version }) => version));
    expect(new Set(after.map(({ content }) => content))).toEqual(new Set(['full']));
    const [found] = await stage.store.sql(
      'SELECT sum(added) AS added, sum(changed) AS changed FROM outhaul.scan_folders WHERE scan_no = $1',
      [scanNo],
    );
    expect(found, 'for Graph nothing is different').toEqual({ added: 0, changed: 0 });
  });

  it('stays full where headers are read later', async () => {
    const mailbox = stage.ownMailbox();
    await read(mailbox, 'full');
    const before = await rows(mailbox);
    await read(mailbox, 'headers');
    expect(await rows(mailbox)).toEqual(before);
  });

  it('keeps the body that is there when only the headers of a new version are read, and reads it anew when it is wanted', async () => {
    const mailbox = stage.ownMailbox();
    await read(mailbox, 'full');
    const [id = ''] = stage.idsIn(mailbox, 'inbox');
    const { body } = (await rowOf(mailbox, id)) ?? {};
    stage.simulator.control.changeMessage({ mailbox, id }, { subject: 'Changed' });
    await read(mailbox, 'headers');
    expect(await rowOf(mailbox, id)).toMatchObject({ subject: 'Changed', body, content: 'headers' });
    await read(mailbox, 'full');
    expect(await rowOf(mailbox, id)).toMatchObject({ subject: 'Changed', body, content: 'full' });
  });

  it('begins a folder anew where an incremental scan wants more than was kept up to the saved link', async () => {
    const mailbox = stage.ownMailbox();
    await read(mailbox, 'headers');
    await read(mailbox, 'full', 'incremental');
    expect((await rows(mailbox)).map(({ body }) => body)).toEqual(bodiesOf(mailbox));
  });

  it('goes on at a link that brings more than is wanted, and keeps no body of what is new', async () => {
    const mailbox = stage.ownMailbox();
    await read(mailbox, 'full');
    const before = await rows(mailbox);
    const added = add(mailbox, 'New');
    await read(mailbox, 'headers', 'incremental');
    expect(await rowOf(mailbox, added)).toMatchObject({ subject: 'New', body: null, content: 'headers' });
    expect((await rows(mailbox)).filter(({ id }) => id !== added)).toEqual(before);
    await read(mailbox, 'full', 'incremental');
    expect((await rows(mailbox)).map(({ body }) => body)).toEqual(bodiesOf(mailbox));
  });

  it('is what each of two scans asks for that wait for the mailbox together', async () => {
    const mailbox = stage.ownMailbox();
    const headers = await stage.addScan({ content: 'headers' });
    const full = await stage.addScan({ content: 'full' });
    await stage.read(mailbox, [full.scanNo, headers.scanNo]);
    expect((await rows(mailbox)).map(({ body }) => body)).toEqual(bodiesOf(mailbox));
    for (const { scanNo } of [headers, full]) {
      const [seen] = await stage.store.sql(
        `SELECT count(*) AS count FROM outhaul.scan_messages s JOIN ${stage.organization.schema}.emails e ON e._no = email_no
         WHERE scan_no = $1 AND _user_id = $2`,
        [scanNo, mailbox],
      );
      expect(seen).toEqual({ count: stage.idsIn(mailbox).length });
    }
  });

  it('of a session is what it asks for, by name and by delta', async () => {
    const mailbox = stage.ownMailbox();
    await read(mailbox, 'headers');
    await live.start(mailbox, { filters: { content: 'headers' } });
    const named = add(mailbox, 'Named');
    await live.hint(mailbox, named);
    await live.read(mailbox);
    const told = add(mailbox, 'Told');
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    for (const id of [named, told]) expect(await rowOf(mailbox, id)).toMatchObject({ body: null, content: 'headers' });
  });

  it('of a session is full also where a scan of headers has read the folders', async () => {
    const mailbox = stage.ownMailbox();
    await read(mailbox, 'full');
    await live.start(mailbox);
    add(mailbox, 'Comes between');
    await read(mailbox, 'headers', 'incremental');
    await live.wantDelta(mailbox);
    await live.read(mailbox);
    expect((await rows(mailbox)).map(({ body }) => body)).toEqual(bodiesOf(mailbox));
  });

  it('is no body of a message that cannot be read whole, where its headers can', async () => {
    const mailbox = stage.ownMailbox();
    const [id = ''] = stage.idsIn(mailbox, 'inbox');
    const effect = { type: 'poison', members: ['body'] } as const;
    stage.simulator.control.addFault({ mailbox, message: id, effect });
    const { scanNo } = await stage.addScan({ content: 'headers' });
    await stage.read(mailbox, scanNo);
    expect((await rows(mailbox)).map((row) => row.id)).toEqual(stage.idsIn(mailbox));
    const [found] = await stage.store.sql('SELECT count(*) AS count FROM outhaul.quarantine WHERE mailbox_id = $1', [
      mailbox,
    ]);
    expect(found).toEqual({ count: 0 });
  });
});
