import { beforeAll, describe, expect, it, vi } from 'vitest';
import { InvalidCursor } from '../../store/errors.ts';
import { ensureOrganization, type Organization } from '../../store/organizations.ts';
import { cursorOfNow, seenMessages } from '../../store/session-messages.ts';
import { addSession, type SessionRow } from '../../store/sessions.ts';
import { useStore } from './support.ts';

const store = useStore();

describe('what a session sees, in the order in which it was stored', () => {
  let organization: Organization;
  let session: SessionRow;
  let mailboxNo: number;
  beforeAll(async () => {
    organization = await ensureOrganization(store.db, 'contoso');
    const settings = {
      pollingMode: 'manual',
      pollingSeconds: 300,
      notifications: false,
      notificationUrl: null,
    } as const;
    session = await addSession(store.db, {
      ...settings,
      ...{ organizationId: 'contoso', sessionId: 'session-1', markAsRead: false, onlyUnread: false },
      filters: { folders: ['inbox'] },
    });
    const [mailbox] = await store.sql<{ mailbox_no: number }>(
      `INSERT INTO ${organization.schema}.mailboxes (id, _extracted_at, _extraction_type) VALUES ('m', now(), 'email')
        RETURNING mailbox_no`,
    );
    mailboxNo = mailbox!.mailbox_no;
  });

  /** Stores a message and that the session has seen it; `name` is its subject and its id. */
  const store1 = (name: string) => ({
    text: `WITH e AS (INSERT INTO ${organization.schema}.emails (id, subject, _mailbox_no, _extracted_at, _extraction_type)
        VALUES ($1, $1, $2, now(), 'email') RETURNING _no)
      INSERT INTO outhaul.scan_messages (scan_no, email_no) SELECT $3, _no FROM e`,
    values: [name, mailboxNo, session.scanNo],
  });
  const stored = (name: string) => store.db.pool.query(store1(name));
  const read = async (cursor?: string, limit = 100) => {
    const page = await seenMessages(store.db, organization, session, { limit, cursor });
    return { ...page, subjects: page.messages.map(({ subject }) => subject) };
  };
  /** The same, once transactions of other databases of the server keep nothing back any more. */
  const until = (subjects: readonly string[], cursor?: string, limit?: number) =>
    vi.waitFor(
      async () => {
        const page = await read(cursor, limit);
        expect(page.subjects).toEqual(subjects);
        return page;
      },
      { timeout: 20_000 },
    );

  it('goes on by its cursor, page by page, and again when more has come', async () => {
    for (const name of ['a', 'b', 'c']) await stored(name);
    const first = await until(['a', 'b'], undefined, 2);
    expect(first.hasMore).toBe(true);
    const second = await until(['c'], first.cursor, 2);
    expect(second.hasMore).toBe(false);
    expect(await read(second.cursor)).toMatchObject({ subjects: [], cursor: second.cursor });
    await stored('d');
    await until(['d'], second.cursor);
  });

  it('keeps back what a transaction that still runs may precede, and misses nothing of either', async () => {
    const cursor = await cursorOfNow(store.db, organization, session);
    const slow = await store.db.pool.connect();
    try {
      await slow.query('BEGIN');
      await slow.query(store1('slow'));
      await stored('quick');
      const early = await read(cursor);
      expect(early.subjects).toEqual([]);
      await slow.query('COMMIT');
      await until(['slow', 'quick'], early.cursor);
    } finally {
      slow.release();
    }
  });

  it('from now on shows nothing that is stored, also where the session sees it only later', async () => {
    await store.sql(
      `INSERT INTO ${organization.schema}.emails (id, subject, _mailbox_no, _extracted_at, _extraction_type)
        VALUES ('old', 'old', $1, now(), 'email')`,
      [mailboxNo],
    );
    const cursor = await cursorOfNow(store.db, organization, session);
    await store.sql(
      `INSERT INTO outhaul.scan_messages (scan_no, email_no)
        SELECT $1, _no FROM ${organization.schema}.emails WHERE id = 'old'`,
      [session.scanNo],
    );
    await stored('new');
    await until(['new'], cursor);
    expect((await read()).subjects).toContain('old');
  });

  it.each(['', 'x', '1-2-3', '999999-1-1-1'])('refuses the cursor %j', async (cursor) => {
    await expect(read(cursor)).rejects.toBeInstanceOf(InvalidCursor);
  });
});
