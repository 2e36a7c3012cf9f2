import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll } from 'vitest';
import { createDeliverActivities, type DeliverActivitiesOptions } from '../../activities/deliver-activities.ts';
import type { Drained } from '../../activities/drain.ts';
import { Senders } from '../../activities/senders.ts';
import { toAttachmentRow } from '../../model/attachment.ts';
import { withDefaults, type DestinationKind, type GivenSettings, type KindSettings } from '../../model/destination.ts';
import { saveAttachments, settleAttachments } from '../../store/attachments.ts';
import { putBlob } from '../../store/blob-rows.ts';
import type { BlobStores } from '../../store/blobs/blob-store.ts';
import { folderBlobStores } from '../../store/blobs/folder-blobs.ts';
import { transaction } from '../../store/database.ts';
import { changeDestination } from '../../store/destinations.ts';
import { releaseWaiting } from '../../store/owing.ts';
import { Outbox } from '../store/outbox-support.ts';
import { log, useStore, type StoreFixture } from '../store/support.ts';

export const SIGNING_KEY = `whsec_${Buffer.alloc(32, 'k').toString('base64')}`;

export interface DrainStage {
  readonly store: StoreFixture;
  readonly folder: string;
  readonly blobs: BlobStores;
  readonly senders: Senders;
  /** Mailboxes whose readers were woken. */
  readonly readers: readonly string[];
  /** A destination of these settings, with a mailbox that owes it mail. */
  outbox<Kind extends DestinationKind>(kind: Kind, settings: Partial<GivenSettings<Kind>>): Promise<Outbox>;
  /** Stores messages with one attachment each, which the destination is owed, of the given contents. */
  attach(outbox: Outbox, contents: Readonly<Record<string, string>>): Promise<void>;
  /** Runs the activity; it lingers for a short while. */
  drain(
    outbox: Outbox,
    options?: Partial<DeliverActivitiesOptions> & { readonly environment?: MockActivityEnvironment },
  ): Promise<Drained>;
}

/** The activity that drains destinations over a real PostgreSQL, without Temporal. */
export function useDrains(): DrainStage {
  const store = useStore();
  const readers: string[] = [];
  const senders = new Senders();
  const state = { folder: '' };
  beforeAll(async () => {
    state.folder = await mkdtemp(join(tmpdir(), 'outhaul-drain-'));
  });
  afterAll(async () => {
    await senders.close();
    await rm(state.folder, { recursive: true, force: true });
  });
  return {
    store,
    senders,
    readers,
    get folder() {
      return state.folder;
    },
    get blobs() {
      return folderBlobStores(join(state.folder, 'blobs'));
    },
    async outbox(kind, settings) {
      const network = kind === 'folder' ? {} : { allowPrivate: true };
      const whole = withDefaults(kind, { ...network, ...settings } as never);
      const outbox = await Outbox.of(store, { kind, settings: whole } as KindSettings);
      await changeDestination(store.db, outbox.destination, { secret: { signingKey: SIGNING_KEY } });
      return outbox;
    },
    async attach(outbox, contents) {
      const { organization, destination, reading } = outbox;
      const { mailboxId, leaseToken } = reading;
      const held = { mailboxId, leaseToken, scanId: null };
      const blobs = this.blobs.of(organization);
      const ids = Object.keys(contents);
      await outbox.owe(ids, { owing: 'waiting' });
      await saveAttachments(store.db, organization, {
        ...held,
        lists: ids.map((id) => ({ messageId: id, attachments: [{ row: toAttachmentRow(attachment(id), true) }] })),
      });
      for (const [messageId, text] of Object.entries(contents)) {
        const blob = await putBlob(store.db, organization, blobs, Readable.from([Buffer.from(text)]));
        const stored = { messageId, id: `${messageId}-file`, state: 'stored', blob, sniffedType: null } as const;
        await settleAttachments(store.db, organization, blobs, { ...held, attachments: [stored] });
      }
      const rows = await outbox.rows(', email_no AS "emailNo"');
      await transaction(store.db, (client) =>
        releaseWaiting(
          client,
          (rows as ((typeof rows)[number] & { emailNo: number })[]).map(({ id, emailNo }) => ({
            ...{ destinationNo: destination.destinationNo, emailNo },
            owed: destination.kind === 'utility' || destination.kind === 'batch' ? 'message' : [`${id}-file`],
          })),
        ),
      );
    },
    drain({ destination }, { environment = new MockActivityEnvironment(), ...options } = {}) {
      const activities = createDeliverActivities({
        db: store.db,
        blobs: this.blobs,
        senders,
        log,
        pace: { lingerMs: 200, pollMs: 10 },
        wakeReader: (_organizationId, mailboxId) => Promise.resolve(void readers.push(mailboxId)),
        ...options,
      });
      return environment.run((input: { destinationId: string }) => activities.drainDestination(input), {
        destinationId: destination.id,
      });
    },
  };
}

const attachment = (messageId: string) => ({
  '@odata.type': '#microsoft.graph.fileAttachment',
  id: `${messageId}-file`,
  name: `${messageId}.txt`,
  contentType: 'text/plain',
  size: 1_234,
  isInline: false,
});
