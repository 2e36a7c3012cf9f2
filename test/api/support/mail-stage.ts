import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { BlobStore } from '../../../store/blobs/blob-store.ts';
import { folderBlobStores } from '../../../store/blobs/folder-blobs.ts';
import { startReading, type Reading } from '../../store/support.ts';
import { openApiStage, type ApiStage } from './stage.ts';

/** An API with a blob store, and for each test an organization of its own of which a mailbox is being read. */
export class MailStage {
  stage!: ApiStage;
  organizationId!: string;
  /** The organization's. */
  key!: string;
  reading!: Reading;
  folder!: string;

  get blobs(): BlobStore {
    return folderBlobStores(this.folder).of(this.reading.organization);
  }

  /** Where the bytes of a blob lie. */
  fileOf(sha256: string): string {
    return join(this.folder, this.reading.organization.schema.replaceAll('"', ''), sha256.slice(0, 2), sha256);
  }

  /** What the API answers at a path, as it comes. */
  fetch(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> {
    return fetch(`${this.stage.api.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.key}`, ...headers },
    });
  }
}

export function useMailStage(): MailStage {
  const mail = new MailStage();
  beforeAll(async () => {
    mail.folder = await mkdtemp(join(tmpdir(), 'outhaul-mail-'));
    mail.stage = await openApiStage({ environment: { OUTHAUL_BLOBS_DIR: mail.folder } });
  });
  afterAll(async () => {
    await mail.stage?.close();
    await rm(mail.folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    mail.organizationId = mail.stage.organization();
    mail.key = await mail.stage.keyOf(mail.organizationId);
    mail.reading = await startReading(mail.stage.db, { organizationId: mail.organizationId });
  });
  return mail;
}
