import type { LiveSettings } from '../../activities/live-read.ts';
import type { SliceResult } from '../../activities/mailbox-activities.ts';
import type { ScanFilters } from '../../model/scan.ts';
import type { SessionSettings } from '../../model/session.ts';
import { addHints } from '../../store/hints.ts';
import { addSession, type SessionRow } from '../../store/sessions.ts';
import { unique } from '../store/support.ts';
import type { MailboxStage, ReadOptions } from './stage.ts';

/** A row of `emails`, as far as tests of live reading look at it. */
export interface LiveRow {
  readonly id: string;
  readonly _folder: string;
  readonly subject: string | null;
  readonly is_read: boolean | null;
  readonly change_key: string | null;
  readonly _deleted_at: string | null;
  readonly _extracted_at: string;
  readonly _scan_id: string | null;
}

/** Where a session stands with a mailbox. */
export interface LiveState {
  readonly state: string;
  readonly reason: string | null;
  readonly told: number;
  readonly missed: number;
  readonly wanted: boolean;
}

/** A session over the stage's tenant, asked as the receiver and the sweep ask. */
export function liveOn(stage: MailboxStage) {
  const { store } = stage;
  let session: SessionRow;
  const where = () => [session.sessionNo];
  return {
    get session() {
      return session;
    },
    /** Starts a session that follows the mailbox, in place of the one before. */
    async start(
      mailboxId: string,
      { filters, ...settings }: Partial<Omit<SessionSettings, 'filters'>> & { filters?: Partial<ScanFilters> } = {},
    ): Promise<SessionRow> {
      await store.sql('UPDATE outhaul.sessions SET ended_at = now() WHERE ended_at IS NULL');
      const { organizationId } = stage.organization;
      session = await addSession(store.db, {
        organizationId,
        sessionId: unique('session'),
        pollingMode: 'scheduled',
        pollingSeconds: 300,
        notifications: true,
        notificationUrl: 'http://localhost:1',
        markAsRead: false,
        onlyUnread: false,
        ...settings,
        filters: { folders: ['all'], ...filters },
      });
      await store.sql('INSERT INTO outhaul.session_mailboxes (session_no, mailbox_id) VALUES ($1, $2)', [
        session.sessionNo,
        mailboxId,
      ]);
      return session;
    },
    /** Graph has been asked to notify, since a minute ago. */
    subscribe: (mailboxId: string) =>
      store.sql(
        `INSERT INTO outhaul.subscriptions (session_no, mailbox_id, organization_id, state, client_state_hash, created_at)
         VALUES ($1, $2, $3, 'active', '', now() - interval '1 minute')`,
        [...where(), mailboxId, stage.organization.organizationId],
      ),
    hint: (mailboxId: string, ...messageIds: readonly string[]) =>
      addHints(
        store.db,
        messageIds.map((messageId) => ({ sessionNo: session.sessionNo, mailboxId, messageId })),
      ),
    wantDelta: (mailboxId: string) =>
      store.sql(
        'UPDATE outhaul.session_mailboxes SET delta_wanted_at = clock_timestamp() WHERE session_no = $1 AND mailbox_id = $2',
        [...where(), mailboxId],
      ),
    /** Runs one slice for nobody in particular. */
    read: (mailboxId: string, live: Partial<LiveSettings> = {}, how: ReadOptions = {}): Promise<SliceResult> =>
      stage.read(mailboxId, [], { live: { joinMs: 0, ...live }, ...how }),
    async state(mailboxId: string): Promise<LiveState | undefined> {
      const [row] = await store.sql<LiveState>(
        `SELECT state, reason, told, missed, delta_wanted_at IS NOT NULL AS wanted FROM outhaul.session_mailboxes
         WHERE session_no = $1 AND mailbox_id = $2`,
        [...where(), mailboxId],
      );
      return row;
    },
    async hints(mailboxId: string): Promise<string[]> {
      const rows = await store.sql<{ id: string }>(
        'SELECT message_id AS id FROM outhaul.hints WHERE mailbox_id = $1 ORDER BY hint_no',
        [mailboxId],
      );
      return rows.map(({ id }) => id);
    },
    async row(mailboxId: string, id: string): Promise<LiveRow | undefined> {
      const [row] = await store.sql<LiveRow>(
        `SELECT id, _folder, subject, is_read, change_key, _deleted_at, _extracted_at, _scan_id
         FROM ${stage.organization.schema}.emails WHERE _user_id = $1 AND id = $2`,
        [mailboxId, id],
      );
      return row;
    },
    /** Ids that are stored, deleted ones apart. */
    async stored(mailboxId: string): Promise<string[]> {
      const rows = await store.sql<{ id: string }>(
        `SELECT id FROM ${stage.organization.schema}.emails WHERE _user_id = $1 AND _deleted_at IS NULL ORDER BY id`,
        [mailboxId],
      );
      return rows.map(({ id }) => id);
    },
    /** Ids that the tenant holds. */
    truth: (mailbox: string): string[] =>
      stage.simulator.control.truth
        .page({ mailbox, limit: 10_000 })
        .value.map(({ message }) => message['id'] as string)
        .sort(),
  };
}
