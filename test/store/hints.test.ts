import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { JOINED_WITHIN_MS, SIGNAL_LOST_AFTER_MS } from '../../model/session.ts';
import { addHints, claimWaiting, unclaim, type NewHint, type WrittenHints } from '../../store/hints.ts';
import { addNotificationCounts } from '../../store/notification-counts.ts';
import { seedSession, type TestSession } from '../api/support/notifications.ts';
import { useStore } from './support.ts';

const store = useStore();
let session: TestSession;
let mailboxId: string;
let otherId: string;

beforeEach(async () => {
  session = await seedSession(store.db, `org-${randomUUID()}`, 2);
  [mailboxId = '', otherId = ''] = session.subscriptions.map((each) => each.mailboxId);
});

const hint = (messageId: string, mailbox = mailboxId): NewHint => ({
  sessionNo: session.sessionNo,
  mailboxId: mailbox,
  messageId,
});

const add = async (...hints: NewHint[]): Promise<Pick<WrittenHints, 'mailboxId' | 'waited' | 'added'>[]> => {
  const written = await addHints(store.db, hints);
  return written.map(({ mailboxId, waited, added }) => ({ mailboxId, waited, added }));
};

const age = (interval: string): Promise<unknown> =>
  store.sql(
    `UPDATE outhaul.hints SET first_at = first_at - $1::interval, woken_at = woken_at - $1::interval
      WHERE organization_id = $2`,
    [interval, session.organizationId],
  );

/** So many statements wait for a lock. */
const whenWaiting = (count: number): Promise<void> =>
  vi.waitFor(async () => {
    const waiting = await store.sql(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(waiting).toHaveLength(count);
  });

describe('hints', () => {
  it('are written many at a time, and say in which mailboxes none waited', async () => {
    await add(hint('a'));
    const written = await add(hint('a'), hint('b'), hint('b'), hint('c', otherId));
    expect(written).toHaveLength(2);
    expect(written).toContainEqual({ mailboxId, waited: true, added: 1 });
    expect(written).toContainEqual({ mailboxId: otherId, waited: false, added: 1 });
  });

  it('of a session that has ended are left out', async () => {
    await store.sql('UPDATE outhaul.sessions SET ended_at = now() WHERE session_no = $1', [session.sessionNo]);
    expect(await add(hint('a'))).toEqual([]);
    expect(await store.sql('SELECT FROM outhaul.hints WHERE mailbox_id = $1', [mailboxId])).toEqual([]);
  });

  it('that are just being taken do not count as waiting, for nobody may look again', async () => {
    await add(hint('a'));
    const reader = await store.db.pool.connect();
    try {
      await reader.query('BEGIN');
      await reader.query('DELETE FROM outhaul.hints WHERE mailbox_id = $1', [mailboxId]);
      const written = add(hint('b'));
      await whenWaiting(1);
      await reader.query('COMMIT');
      expect(await written).toEqual([{ mailboxId, waited: false, added: 1 }]);
    } finally {
      reader.release();
    }
  });

  it('hold up whoever takes those that waited, until they are committed', async () => {
    await add(hint('a'));
    const brake = await store.db.pool.connect();
    try {
      await brake.query('BEGIN');
      await brake.query(`INSERT INTO outhaul.hints (organization_id, mailbox_id, message_id) VALUES ($1, $2, 'b')`, [
        session.organizationId,
        mailboxId,
      ]);
      const written = add(hint('b'));
      await whenWaiting(1);
      const taken = store.sql<{ id: string }>(
        'DELETE FROM outhaul.hints WHERE mailbox_id = $1 RETURNING message_id AS id',
        [mailboxId],
      );
      await whenWaiting(2);
      await brake.query('ROLLBACK');
      expect(await written).toEqual([{ mailboxId, waited: true, added: 1 }]);
      expect(await taken).toEqual([{ id: 'a' }]);
    } finally {
      brake.release();
    }
    const left = await store.sql('SELECT message_id AS id FROM outhaul.hints WHERE mailbox_id = $1', [mailboxId]);
    expect(left).toEqual([{ id: 'b' }]);
  });

  it('written by several at a time in any order do not stand in each other’s way', async () => {
    const ids = Array.from({ length: 200 }, (_, index) => `m-${index}`);
    const all = ids.flatMap((id) => [hint(id), hint(id, otherId)]);
    await Promise.all([add(...all), add(...all.toReversed()), add(...all), add(...all.toReversed())]);
    const rows = await store.sql('SELECT FROM outhaul.hints WHERE organization_id = $1', [session.organizationId]);
    expect(rows).toHaveLength(400);
  });
});

describe('hints that wait too long', () => {
  const claim = async (): Promise<string[]> => {
    const claimed = await claimWaiting(store.db, { waitedMs: SIGNAL_LOST_AFTER_MS, againMs: 30_000, limit: 1_000 });
    return claimed
      .filter(({ organizationId }) => organizationId === session.organizationId)
      .map((one) => one.mailboxId);
  };

  it('are not those that their reader may still be joining', async () => {
    await add(hint('a'));
    await age(`${JOINED_WITHIN_MS + 1_000} milliseconds`);
    expect(await claim()).toEqual([]);
  });

  it('are claimed by one of several, once for a mailbox', async () => {
    await add(hint('a'), hint('b'), hint('c', otherId));
    expect(await claim()).toEqual([]);
    await age('6 seconds');
    const claims = await Promise.all([claim(), claim(), claim()]);
    expect(claims.flat().sort()).toEqual([mailboxId, otherId].sort());
  });

  it('are claimed again when nobody has taken them since', async () => {
    await add(hint('a'), hint('b'));
    await age('6 seconds');
    expect(await claim()).toEqual([mailboxId]);
    await age('20 seconds');
    expect(await claim()).toEqual([]);
    await age('20 seconds');
    expect(await claim()).toEqual([mailboxId]);
  });

  it('are due again at once when the reader could not be asked', async () => {
    await add(hint('a'));
    await age('6 seconds');
    expect(await claim()).toEqual([mailboxId]);
    await unclaim(store.db, [{ organizationId: session.organizationId, mailboxId }]);
    expect(await claim()).toEqual([mailboxId]);
  });
});

describe('counts of notifications', () => {
  it('are added for many sessions at a time', async () => {
    const other = await seedSession(store.db, `org-${randomUUID()}`);
    const counts = { taken: 3, joined: 1, refused: 2, mailboxIds: new Set([mailboxId]) };
    const none = { taken: 0, joined: 0, refused: 1, mailboxIds: new Set<string>() };
    const all = new Map([
      [other.sessionNo, none],
      [session.sessionNo, counts],
    ]);
    await addNotificationCounts(store.db, all);
    await addNotificationCounts(store.db, all);
    const rows = await store.sql(
      `SELECT notifications_taken AS taken, notifications_joined AS joined, notifications_refused AS refused,
          last_notification_at IS NOT NULL AS told,
          (SELECT count(*) FROM outhaul.session_mailboxes m WHERE m.session_no = s.session_no
            AND notified_at IS NOT NULL) AS notified
        FROM outhaul.sessions s WHERE session_no = ANY($1) ORDER BY session_no`,
      [[session.sessionNo, other.sessionNo]],
    );
    expect(rows).toEqual([
      { taken: 6, joined: 2, refused: 4, told: true, notified: 1 },
      { taken: 0, joined: 0, refused: 2, told: false, notified: 0 },
    ]);
  });
});
